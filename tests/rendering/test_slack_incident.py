"""The shipped message about an incident in Slack: whoever is on call reads it in three seconds."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
import pytest

from router.destinations.kinds.slack.block_kit import within_limits
from router.rendering.examples import INCIDENTS
from router.rendering.library import Library, Templates
from router.rendering.markup import Markup
from router.rendering.rehearsal import OF_INCIDENTS
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.settings.snapshot import read_file

TEMPLATE = Library([shipped_folder()], read_file, OF_INCIDENTS).template("slack-incident", Markup.SLACK)
DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EVENT = next(one["data"]["event"] for one in INCIDENTS if one["data"]["event"] is not None)  # type: ignore[index]  # as examples are
IMAGE = {
    "container": "web",
    "container_kind": "container",
    "image": "registry.example/shop/web:1.4",
    "digest": DIGEST,
    "rule": "registry.example/shop/*",
    "verdict": "unsigned",
    "reason": "no_signature",
    "detail": "",
    "count": 1,
    "first_seen": "2026-11-23T10:15:30.123Z",
    "last_seen": "2026-11-23T10:15:30.123Z",
    "current": True,
}
INCIDENT = {
    "id": "5e6a0a1c-2f0e-5d8e-9f1c-7d1f0a6b1c22",
    "number": 17,
    "kind": "workload",
    "state": "opened",
    "ended_by": None,
    "severity": "high",
    "cluster": "production-eu",
    "namespace": "payments",
    "owner": {"api_version": "apps/v1", "kind": "Deployment", "name": "web"},
    "claimed_owner": None,
    "user": "alice@example.com",
    "images": [IMAGE],
    "more_images": 0,
    "count": 1,
    "outcomes": {"rejected": 1, "admitted": 0, "unanswered": 0},
    "first_seen": "2026-11-23T10:15:30.123Z",
    "last_seen": "2026-11-23T10:15:30.123Z",
    "told": 1,
    "suppressed": 0,
    "links": {"runbook": "https://wiki.example/gatecrier/no_signature?a=1&b=2"},
}


def rendered(event: Any = None, **changed: object) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The message for this incident, with what was changed in it."""
    told = {**INCIDENTS[0], "data": {"incident": {**INCIDENT, **changed}, "event": event}}
    made = Renderer(Templates(TEMPLATE, None, None, TEMPLATE), kind="slack", name="it").render(orjson.dumps(told))
    message: dict[str, Any] = json.loads(made.body)

    assert made.problem is None
    assert within_limits(message) == message
    return message


def lines(message: dict[str, Any]) -> list[str]:
    """What is seen, from top to bottom."""
    (attachment,) = message["attachments"]
    shown = list[str]()
    for block in [*message["blocks"], *attachment["blocks"]]:
        texts = block.get("fields") or block.get("elements") or [block["text"]]
        shown += [text["text"].replace("\n", " | ") for text in texts]
    return shown


def test_it_says_what_happened_to_which_workload_where_and_what_to_do() -> None:
    message = rendered()

    assert lines(message) == [
        "Deployment web: rejected",
        "*Where* | payments, production-eu",
        "*Severity* | high",
        "*Since* | <!date^1795428930^{date_short_pretty} {time_secs}|2026-11-23T10:15:30.123Z>",
        "*Requests* | 1, by alice@example.com",
        " | ".join(
            ["registry.example/shop/web:1.4", "unsigned (no_signature)", f"container web, rule {IMAGE['rule']}", DIGEST]
        ),
        f"Next: Sign it with: cosign sign --key ... registry.example/shop/web@{DIGEST}",
        "<https://wiki.example/gatecrier/no_signature?a=1&amp;b=2|runbook>, incident 17, " + str(INCIDENT["id"]),
    ]
    assert message["text"] == (
        "high: Deployment web in payments, production-eu: rejected, registry.example/shop/web:1.4 unsigned"
    )


@pytest.mark.parametrize(
    ("changed", "headline"),
    [
        ({"state": "changed"}, "now rejected"),
        ({"state": "repeated"}, "still rejected"),
        ({"state": "resolved"}, "resolved"),
        ({"state": "expired"}, "over, not seen again"),
        ({"outcomes": {"rejected": 0, "admitted": 1, "unanswered": 0}}, "would be rejected"),
        ({"outcomes": {"rejected": 0, "admitted": 1, "unanswered": 0}, "state": "repeated"}, "would still be rejected"),
        ({"kind": "registry", "state": "repeated"}, "still no answer"),
        ({"images": []}, "alarming"),
        ({"event": {**EVENT, "decision": {**EVENT["decision"], "break_glass": "4711"}}}, "let in by break-glass"),
    ],
)
def test_the_headline_says_how_things_are(changed: dict[str, Any], headline: str) -> None:
    """Never "rejected" of what was let in."""
    changed = copy.deepcopy(changed)
    message = rendered(changed.pop("event", None), **changed)

    assert lines(message)[0] == f"Deployment web: {headline}"


def test_every_severity_has_its_colour_and_an_end_its_own() -> None:
    severities = [rendered(severity=one) for one in ("critical", "high", "medium", "info")]
    ended = rendered(severity="critical", state="resolved")
    colours = [message["attachments"][0]["color"] for message in (*severities, ended)]

    assert len(set(colours)) == len(colours)


def test_what_fails_is_shown_once_and_what_failed_before_is_counted() -> None:
    """A container that fails with another image now would stand there twice."""
    before = {**IMAGE, "image": "registry.example/shop/web:1.3", "current": False}
    shown = lines(rendered(images=[before, IMAGE], more_images=2))

    assert len([line for line in shown if "unsigned" in line]) == 1
    assert shown[-1].startswith("3 more images, ")


def test_what_is_over_needs_nothing_more() -> None:
    images = [{**IMAGE, "current": False}]
    closed = {"how": "closed", "author": "bob", "reason": "known"}
    shown = lines(rendered(images=images, state="resolved", ended_by=closed))

    assert "Closed by bob: known" in shown
    assert [line for line in shown if "was unsigned" in line]
    assert not [line for line in shown if line.startswith("Next")]


def test_the_same_step_stands_there_once_and_says_what_is_wanted() -> None:
    images = [IMAGE, {**IMAGE, "container": "side"}, {**IMAGE, "container": "new", "reason": "of a later release"}]
    wanted = [{**EVENT["images"][0], **{key: one[key] for key in ("container", "container_kind", "image")},
               "wanted": 'a signature by key "release"'} for one in images[:2]]  # fmt: skip
    steps = [line for line in lines(rendered({**EVENT, "images": wanted}, images=images)) if "Sign it" in line]
    sign = f"Sign it with: cosign sign --key ... registry.example/shop/web@{DIGEST}"

    assert steps == [f'Next: The rule wants a signature by key "release". {sign}']


def test_a_claim_that_is_not_believed_is_told() -> None:
    claimed = {"api_version": "apps/v1", "kind": "ReplicaSet", "name": "web-<1>"}

    assert "It claims to be of ReplicaSet web-&lt;1&gt;, which is not believed." in lines(
        rendered(claimed_owner=claimed)
    )
