"""What receivers get that tells of Gatecrier itself, by every kind of destination."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.by_reference import Secret
from router.destinations.catalogue import KINDS
from router.destinations.kind import AnyKind
from router.destinations.kinds.slack import SlackSettings
from router.destinations.kinds.slack.block_kit import within_limits
from router.events import CONTENT_TYPE, NoticeEvent, as_json
from router.rendering.examples import NOTICES
from router.rendering.library import Library, Templates
from router.rendering.markup import escape
from router.rendering.rehearsal import OF_NOTICES
from router.rendering.renderer import Renderer
from router.rendering.shipped import notices_folder
from router.rendering.template import Template
from router.settings.sections import Item, TellingItems
from router.settings.snapshot import Reading, read_file
from router.settings.surroundings import gathered, templates

BY_NAME = {kind.name: kind for kind in KINDS}
MINE = Template.parse("mine", '{"text": "{{ event.decision.message }}"}')


def notices_of(kind: AnyKind) -> Template | None:
    library = Library([notices_folder()], read_file, OF_NOTICES)
    return library.template(kind.name, kind.markup) if kind.has_templates else None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("of_decisions", [None, MINE], ids=["kind's", "mine"])
def test_every_kind_tells_every_notice_by_a_template_of_its_own(kind: AnyKind, of_decisions: Template | None) -> None:
    """Never by an operator's, which is for decisions and knows no notice."""
    renderer = Renderer(Templates(of_decisions, notices_of(kind)), kind=kind.name, name="x")
    for event in NOTICES:
        check_told(kind, event, renderer)


def check_told(kind: AnyKind, event: NoticeEvent, renderer: Renderer) -> None:
    body = as_json(event)
    rendered = renderer.render(body)
    told = event["data"]["notice"]

    assert rendered.problem is None
    match kind.name:
        case "slack":
            message = json.loads(rendered.body)
            assert message["text"] == told["title"]
            assert message == within_limits(message)
        case "sysdig":
            (one,) = json.loads(rendered.body)["events"]
            assert one["output"] == f"{told['title']}. {told['text']}"
            assert {name: one["output_fields"][f"gatecrier.{name}"] for name in told["facts"]} == {
                name: str(value) for name, value in told["facts"].items()
            }
        case _ if kind.has_templates:
            assert escape(told["title"], kind.markup) in "".join(map(str, values_of(json.loads(rendered.body))))
        case _:
            assert rendered.body is body
            assert rendered.content_type == CONTENT_TYPE


def values_of(document: object) -> Iterator[object]:
    """Everything in a document that is no list and no mapping."""
    match document:
        case dict() | list():
            for one in document.values() if isinstance(document, dict) else document:
                yield from values_of(one)
        case _:
            yield document


@pytest.mark.parametrize(("kind", "where"), [("slack", "text"), ("sysdig", "output")])
def test_a_notice_whose_template_fails_is_told_all_the_same(kind: str, where: str) -> None:
    bad = Templates(None, Template.parse("bad", "{{ nothing }}"))
    renderer = Renderer(bad, kind=kind, name="x", minimal=BY_NAME[kind].minimal)
    rendered = renderer.render(as_json(NOTICES[1]))
    message = json.loads(rendered.body)

    assert rendered.is_fallback
    text = message["text"] if kind == "slack" else message["events"][0][where]
    assert NOTICES[1]["data"]["notice"]["title"] in text


def test_no_template_of_an_operator_takes_the_place_of_a_notice_s(tmp_path: Path) -> None:
    (tmp_path / "templates" / "notices").mkdir(parents=True)
    for file in ("slack.json", "notices/slack.json"):
        (tmp_path / "templates" / file).write_text('{"text": "mine"}')
    slack = SlackSettings(kind="slack", name="s", url=Secret(env="SLACK_URL"))
    telling = TellingItems([Item(0, "s", slack, is_whole=True)], [], None, tmp_path / "templates")
    found, problems = gathered(templates(telling, Reading(tmp_path / "gatecrier.yaml", {})))

    assert not problems
    assert found["s"].of_decisions is not None
    assert found["s"].of_decisions.render({}).body == b'{"text":"mine"}'
    assert found["s"].of_notices is notices_of(BY_NAME["slack"])
