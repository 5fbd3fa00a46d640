"""What every kind of destination brings: settings, templates, markup and minimal payload, and where each is asked for.

The kinds are those of the catalogue: a new one is held to all of this by its line there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from router.destinations import kinds
from router.destinations.catalogue import KINDS, kind_named, kind_of, open_destination
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind
from router.events import CONTENT_TYPE
from router.rendering.context import alert_message
from router.rendering.library import Templates
from router.rendering.markup import TextLines, escape
from router.rendering.template import Template
from router.settings.reference import reference
from router.settings.schema import schema_text
from tests.contracts.kinds import (
    STORED,
    composed,
    documents_in,
    least,
    read,
    renderer,
    shipped,
    variables_of,
)
from tests.rendering.hostile import EVENT, event_with, incident_with

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
WITH_TEMPLATES = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.has_templates], ids=lambda kind: kind.name
)
BAD = Template.parse("bad", "{{ nothing }}")


def test_every_module_of_a_kind_is_in_the_catalogue_once() -> None:
    modules = {path.stem for path in Path(str(kinds.__path__[0])).iterdir() if path.stem != "__init__"} - {
        "__pycache__"
    }
    listed = [kind.settings.__module__.removeprefix(f"{kinds.__name__}.").partition(".")[0] for kind in KINDS]

    assert sorted(listed) == sorted(modules)
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@EACH
def test_a_kind_is_found_by_its_name_and_by_its_settings(kind: AnyKind, tmp_path: Path) -> None:
    written = least(kind)
    settings = read(written, tmp_path, variables_of(written))

    assert kind_named(kind.name) is kind_of(settings) is kind
    assert open_destination(settings, EgressSettings()).name == "it"


@EACH
def test_a_kind_takes_no_settings_of_another(kind: AnyKind, tmp_path: Path) -> None:
    other = next(one for one in KINDS if one is not kind)
    written = least(other)
    settings = read(written, tmp_path, variables_of(written))

    with pytest.raises(TypeError, match=kind.name):
        kind.own(settings)


def test_every_kind_stands_in_the_schema_and_in_the_reference() -> None:
    models, told = json.loads(schema_text())["$defs"].values(), reference()
    named = {model.get("properties", {}).get("kind", {}).get("const") for model in models}

    assert [kind.name for kind in KINDS if kind.name not in named] == []
    assert [kind.name for kind in KINDS if f"## `destinations[]` of kind `{kind.name}`\n" not in told] == []


def test_a_kind_whose_keys_are_those_of_another_stands_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ({"properties": {"kind": {"const": name}, "url": {}}} for name in ("one", "two"))
    monkeypatch.setattr(
        "router.settings.reference.schema",
        lambda: {"properties": {"destinations": {"items": {"oneOf": [one, two, {"$ref": "#/$defs/one"}]}}},
                 "$defs": {"one": one}},
    )  # fmt: skip

    assert re.findall("## .* of kind `(.*)`", reference()) == ["one", "two"]


@WITH_TEMPLATES
def test_a_kind_with_templates_has_one_for_all_that_is_told(kind: AnyKind) -> None:
    """Each is rehearsed with the examples when it is read, and holds for whatever can be told."""
    templates = shipped(kind)

    assert None not in {templates.of_decisions, templates.of_incidents, templates.of_notices}
    assert not [told for body in STORED if (told := renderer(kind, templates).render(body).problem)]


@EACH
def test_without_templates_the_event_itself_is_sent(kind: AnyKind) -> None:
    rendered = renderer(kind, shipped(kind)).render(STORED[0])

    assert (rendered.body is STORED[0]) is not kind.has_templates
    assert (rendered.content_type == CONTENT_TYPE) is not kind.has_templates


@WITH_TEMPLATES
def test_what_is_told_is_in_what_is_sent(kind: AnyKind, tmp_path: Path) -> None:
    """The sentence of a decision or an incident, the title of a notice."""
    render = renderer(kind, shipped(kind)).render
    for body in STORED:
        sent = texts(documents_in(composed(kind, tmp_path, render(body).body)))

        assert str(escape(TextLines(gist_of(orjson.loads(body)["data"])), kind.markup)) in sent, body


WOULD = re.compile(r"would (now |still )?(be rejected|reject)")


@WITH_TEMPLATES
@pytest.mark.parametrize("state", ["opened", "changed", "repeated"])
@pytest.mark.parametrize(
    ("outcomes", "would"),
    [
        ({"rejected": 0, "admitted": 7, "unanswered": 0}, True),
        ({"rejected": 7, "admitted": 0, "unanswered": 0}, False),
        ({"rejected": 2, "admitted": 5, "unanswered": 0}, False),
    ],
)
def test_an_incident_says_in_words_whether_anything_was_rejected(
    kind: AnyKind, state: str, outcomes: dict[str, int], would: bool, tmp_path: Path  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    """`denied` is what a rule says of an image; whoever reads it of a request that was let in takes it for refused."""
    told = json.loads(incident_with("plain"))
    told["type"] = f"dev.gatecrier.incident.{state}.v1"
    told["data"]["incident"] |= {"state": state, "outcomes": outcomes, "count": 7}
    for image in told["data"]["incident"]["images"]:
        image["verdict"] = "denied"
    body = composed(kind, tmp_path, renderer(kind, shipped(kind)).render(orjson.dumps(told)).body)
    said = texts([*documents_in(body)]) if kind.name != "smtp" else body.decode()

    assert bool(WOULD.search(said)) is would
    assert bool(re.search(r"(?<![.\w])rejected", WOULD.sub("", said))) is not would


def gist_of(data: dict[str, Any]) -> str:
    """What of it must be read."""
    match data:
        case {"notice": {"title": str(title)}}:
            return title
        case {"incident": {"owner": {"name": str(name)}}}:
            return name
        case _:
            return alert_message(data["decision"], is_correction="corrects" in data).partition("\n")[0]


def texts(value: object) -> str:
    """All texts of a document."""
    match value:
        case dict() | list():
            return "\n".join(texts(one) for one in (value.values() if isinstance(value, dict) else value))
        case _:
            return str(value)


@dataclass(frozen=True)
class Occasion:
    """Why a minimal payload goes out."""

    name: str
    make: Callable[[AnyKind, bytes], bytes]


OCCASIONS = [
    Occasion("failed", lambda kind, body: renderer(kind, Templates(BAD, BAD, None, BAD)).render(body).body),
    Occasion("too large", lambda kind, body: renderer(kind, Templates(BAD)).minimal(body).body),
]


BARE = [b"{}", b'{"data": {}}', b'{"id": "1", "data": {"decision": {"message": "m"}, "images": []}}']


@EACH
@pytest.mark.parametrize("occasion", OCCASIONS, ids=lambda occasion: occasion.name)
def test_a_minimal_payload_loses_no_alert(kind: AnyKind, occasion: Occasion, tmp_path: Path) -> None:
    """Whatever the outbox has kept, of an older release, too; and what is sent of it is small."""
    for body in (*STORED, *BARE):
        sent = composed(kind, tmp_path, occasion.make(kind, body))

        assert all(documents_in(sent)), body
        assert len(sent) < max(20_000, 2 * len(body)), body


@WITH_TEMPLATES
def test_a_minimal_payload_says_what_happened_and_is_read_as_no_markup(kind: AnyKind, tmp_path: Path) -> None:
    body = event_with("<!channel> & <https://evil.example|click>")
    said = alert_message(orjson.loads(body)["data"]["decision"])
    for occasion in OCCASIONS:
        sent = texts(documents_in(composed(kind, tmp_path, occasion.make(kind, body))))

        assert str(escape(TextLines(said), kind.markup)) in sent


@EACH
@pytest.mark.parametrize("text", ["<" * 9000, "&\n" * 9000, "x" * 100_000])
def test_a_minimal_payload_is_small(kind: AnyKind, text: str, tmp_path: Path) -> None:
    """Where the receiver found the whole too large; names of 4,000 characters are shortened with the event."""
    event = {**EVENT, "data": {**EVENT["data"], "decision": {**EVENT["data"]["decision"], "message": text[:4000]}}}
    made = renderer(kind, Templates(None)).minimal(orjson.dumps(event))

    assert len(composed(kind, tmp_path, made.body)) < 32 * 1024
