"""`gatecrier trust`: whom this configuration trusts, from where, since when and until when; and ask anew."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms, moment, moment_or_none
from router.cli.exit_codes import NO, UNKNOWN, YES, worst
from router.cli.parsing import command, configured, group
from router.errors import TrustRefreshError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from router.cli.parsing import Subcommands
    from router.settings.trust_part import TrustPart
    from router.trust.report import RootReport
    from router.verification.anchors import Anchor
    from router.verification.repositories import Repository
    from router.verification.settings import SchemeSettings


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    inner = group(
        subcommands,
        "trust",
        brief="show whom a configuration trusts, or ask repositories anew",
        examples="gatecrier trust show --config gatecrier.yaml\ngatecrier trust refresh --config gatecrier.yaml",
    )
    show = command(
        inner,
        "show",
        brief="show what is trusted, from where, since when and until when",
        text="Shows what verifiers trust: trusted roots with their authorities and logs, keys, and trust "
        "stores, each with where it comes from, since when and until when. Asks nobody. Exit code 0 if all that is "
        "needed is known and in date, 1 if not.",
        examples="gatecrier trust show --config gatecrier.yaml",
    )
    refresh = command(
        inner,
        "refresh",
        brief="ask the repositories of trusted roots now",
        text="Asks the TUF repositories of the trusted roots that verifiers use, and keeps what they say. A "
        "running Gatecrier takes it when it reads its configuration again (SIGHUP), or when it refreshes by itself. "
        "Exit code 0 if all answered, 1 if an answer was refused, 3 if one could not be had or kept.",
        examples="gatecrier trust refresh --config gatecrier.yaml",
    )
    configured(show, _show)
    forms(show)
    configured(refresh, _refresh)
    forms(refresh, is_live=False)


def _part(config: Path) -> TrustPart:
    """What the configuration says of trust; raises ConfigurationError."""
    from router.settings.part import read_part  # noqa: PLC0415 - the settings are imported only where they are read
    from router.settings.trust_part import TrustPart  # noqa: PLC0415 - the same

    return read_part(config, TrustPart)


def _folder(part: TrustPart) -> Path:
    from router.trust.refreshing import TRUST  # noqa: PLC0415 - as above

    return part.outbox.path.parent / TRUST


def _show(arguments: argparse.Namespace) -> int:
    from router.trust.refreshing import OLD  # noqa: PLC0415 - as above
    from router.trust.report import root_reports  # noqa: PLC0415 - as above

    def ask() -> CommandAnswer:
        part = _part(arguments.config)
        reports = root_reports(part.trust_roots, part.verifiers, _folder(part))
        now = time.time()
        problems = [problem for report in reports if report.used_by for problem in _problems(report, now, OLD)]
        problems += [f"{one.name}: all that it trusts has ended" for one in part.verifiers if _ended(one.anchors, now)]
        lines = [line for report in reports for line in _root_lines(report)]
        lines += [line for verifier in part.verifiers for line in _verifier_lines(verifier)]
        objects = [*map(_root_object, reports), *map(_verifier_object, part.verifiers)]
        text = "\n".join(lines) or "no verifier trusts anybody"
        return CommandAnswer(objects, text, NO if problems else YES, problems)

    return answered(arguments, ask)


def _problems(report: RootReport, now: float, old: float) -> Sequence[str]:
    if report.is_missing:
        return [f"{report.name}: nothing is known of it yet; run `gatecrier trust refresh`"]
    if report.since is not None and now - report.since >= old:
        return [f"{report.name}: nobody has confirmed it since {moment(report.since)}; run `gatecrier trust refresh`"]
    if _ended(report.holds, now):
        return [f"{report.name}: all that it holds has ended"]
    return []


def _ended(anchors: Sequence[Anchor], now: float) -> bool:
    return bool(anchors) and all(anchor.until is not None and anchor.until < now for anchor in anchors)


def _root_lines(report: RootReport) -> Iterator[str]:
    known = "unknown" if report.id is None else f"sha256:{report.id}"
    since = "" if report.since is None else f", as of {moment(report.since)}"
    until = "" if report.until is None else f", the repository's word holds until {moment(report.until)}"
    yield f"trusted root {one_line(report.name)}: {known}"
    yield f"  from {_ORIGINS[report.origin]} ({one_line(report.address)}){since}{until}"
    yield f"  used by {', '.join(report.used_by) or 'no verifier'}"
    yield from map(_anchor_line, report.holds)


_ORIGINS = {
    "file": "a file",
    "shipped": "this package; its repository was not asked yet",
    "repository": "its repository",
    "nowhere": "its repository, which was not asked yet",
}


def _verifier_lines(verifier: SchemeSettings) -> Iterator[str]:
    if verifier.anchors:
        yield f"verifier {verifier.name}:"
    yield from map(_anchor_line, verifier.anchors)


def _anchor_line(anchor: Anchor) -> str:
    """On one line, and nothing that a terminal would obey: names in certificates are written by others."""
    kind = anchor.kind.replace("_", " ")
    named = f" {anchor.name}" if anchor.name else ""
    since = "" if anchor.since is None else f", since {moment(anchor.since)}"
    until = "" if anchor.until is None else f", until {moment(anchor.until)}"
    return one_line(f"  {kind}{named}: {anchor.who}{since}{until}")


def _root_object(report: RootReport) -> Object:
    return {
        "kind": "trust_root",
        "name": report.name,
        "origin": report.origin,
        "from": report.address,
        "sha256": report.id,
        "since": moment_or_none(report.since),
        "until": moment_or_none(report.until),
        "used_by": report.used_by,
        "holds": [_anchor_object(anchor) for anchor in report.holds],
    }


def _verifier_object(verifier: SchemeSettings) -> Object:
    root = verifier.root_source
    return {
        "kind": "verifier",
        "name": verifier.name,
        "trust_root": None if root is None else root.written,
        "holds": [_anchor_object(anchor) for anchor in verifier.anchors],
    }


def _anchor_object(anchor: Anchor) -> Object:
    return {
        "kind": anchor.kind,
        "name": anchor.name,
        "who": anchor.who,
        "since": moment_or_none(anchor.since),
        "until": moment_or_none(anchor.until),
    }


def _refresh(arguments: argparse.Namespace) -> int:
    from router.verification.settings import repositories_of  # noqa: PLC0415 - as above

    def ask() -> CommandAnswer:
        part = _part(arguments.config)
        named = [root.source.repository for root in part.trust_roots]
        wanted = {one.id: one for one in (*named, *repositories_of(part.verifiers)) if one is not None}
        found = asyncio.run(_refreshed(list(wanted.values()), _folder(part)))
        told = [
            f"{one.name}: confirmed by {one.url}"
            for one, outcome in found
            if not isinstance(outcome, TrustRefreshError)
        ]
        return CommandAnswer(
            [_outcome_object(repository, outcome) for repository, outcome in found],
            "\n".join(told) if found else "no trusted root comes from a repository",
            worst(_code(outcome) for _, outcome in found),
            [_problem(one, outcome) for one, outcome in found if isinstance(outcome, TrustRefreshError)],
        )

    return answered(arguments, ask)


Outcome = float | TrustRefreshError
"""When it was confirmed, in Unix time, or why it was not."""


async def _refreshed(repositories: Sequence[Repository], folder: Path) -> Sequence[tuple[Repository, Outcome]]:
    from router.trust.refreshing import Repositories  # noqa: PLC0415 - as above

    source = Repositories(folder)
    found: list[tuple[Repository, Outcome]] = []
    for repository in repositories:
        try:
            found.append((repository, (await source.refreshed(repository)).confirmed_at))
        except TrustRefreshError as error:
            found.append((repository, error))
    return found


def _code(outcome: Outcome) -> int:
    if isinstance(outcome, TrustRefreshError):
        return NO if outcome.cause == "refused" else UNKNOWN
    return YES


def _problem(repository: Repository, why: TrustRefreshError) -> str:
    return one_line(f"{repository.name}: {why.cause}: {why}")


def _outcome_object(repository: Repository, outcome: Outcome) -> Object:
    why = outcome if isinstance(outcome, TrustRefreshError) else None
    return {
        "name": repository.name,
        "from": repository.url,
        "confirmed_at": None if isinstance(outcome, TrustRefreshError) else moment(outcome),
        "cause": None if why is None else why.cause,
        "problem": None if why is None else str(why),
    }
