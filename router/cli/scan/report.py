"""What `gatecrier scan` says: the exit code, as text, and as objects for programs."""

from __future__ import annotations

from collections.abc import Iterator

from router.cli.answering import Object
from router.cli.exit_codes import NO, UNKNOWN, YES
from router.decision.wording import remedy
from router.readiness.wording import reason_of
from router.scanning.scan import ScanFinding, Scanned
from router.text import one_line


def code_of(scanned: Scanned) -> int:
    """The exit code that it means."""
    if any(one.standing == "failing" for one in scanned.found):
        return NO
    return UNKNOWN if any(one.is_unknown for one in scanned.found) else YES


def lines_of(scanned: Scanned) -> Iterator[str]:
    """A scan, for people: what would be refused, what could not be told, which tags have moved, and a sum."""
    failing = [one for one in scanned.found if one.standing == "failing"]
    unknown = [one for one in scanned.found if one.is_unknown]
    moved = [one for one in scanned.found if one.has_moved]
    for heading, some in (("would be refused", failing), ("could not be told", unknown)):
        if some:
            yield f"{heading}:"
        for one in some:
            yield one_line(f"  {_subject(one)}: {one.judged.image['verdict']} ({one.judged.image['reason']})")
            if (step := _step(one)) is not None:
                yield one_line(f"    {step}")
    if moved:
        yield "runs another digest than its tag means now:"
    for one in moved:
        yield one_line(f"  {_subject(one)}: {one.running.digest} runs, the tag means {one.judged.tag_digest}")
    pods = sum(scan.pods for scan in scanned.by_namespace.values())
    images = len({(one.running.image, one.running.digest) for one in scanned.found})
    yield (
        f"{pods} Pods in {len(scanned.by_namespace)} namespaces run {images} images: {len(failing)} would be refused, "
        f"{len(unknown)} could not be told, by owner and image"
    )


def _subject(one: ScanFinding) -> str:
    _, kind, name = one.running.owner
    pods = "1 Pod" if one.where.pods == 1 else f"{one.where.pods} Pods"
    return f"{one.running.namespace}/{kind}/{name}: {one.running.image} ({pods})"


def _step(one: ScanFinding) -> str | None:
    image = one.judged.image
    reason = reason_of(image["verdict"], image["reason"])
    return None if reason is None else remedy(reason, image["reference"] or image["image"], one.running.digest)


def as_object(one: ScanFinding) -> Object:
    """One owner and image, for programs."""
    api_version, kind, name = one.running.owner
    decision = one.judged.parts.decision
    return {
        "namespace": one.running.namespace,
        "owner": {"api_version": api_version, "kind": kind, "name": name},
        "image": one.running.image,
        "digest": one.running.digest,
        "image_id": one.where.image_id,
        "tag_digest": one.judged.tag_digest,
        "containers": [container for _, container in one.where.places],
        "pods": one.where.pods,
        "nodes": list(one.where.nodes),
        "would_reject": decision["would_reject"],
        "is_unknown": one.is_unknown,
        "severity": decision["severity"],
        "verdict": one.judged.image["verdict"],
        "reason": one.judged.image["reason"],
        "detail": one.judged.image["detail"],
        "rule": one.judged.image["rule"],
    }
