"""What receivers get that tells of Gatecrier itself, by every kind of destination."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from router.by_reference import Secret
from router.destinations.catalogue import AnyDestination, default_template, markup_of
from router.destinations.slack import SlackSettings, within_limits
from router.events import CONTENT_TYPE, NoticeEvent, as_json
from router.rendering.examples import NOTICES
from router.rendering.library import Library, Templates
from router.rendering.rehearsal import OF_NOTICES
from router.rendering.renderer import Renderer
from router.rendering.shipped import notices_folder
from router.rendering.template import Template
from router.settings import shape
from router.settings.sections import Item, TellingItems
from router.settings.snapshot import Reading, read_file
from router.settings.surroundings import gathered, templates

KINDS = {kind: model.model_construct(kind=kind) for model in get_args(AnyDestination) for kind in shape.tags(model)}
MINE = Template.parse("mine", '{"text": "{{ event.decision.message }}"}')


def notices_of(kind: str) -> Template | None:
    name = default_template(KINDS[kind])
    library = Library([notices_folder()], read_file, OF_NOTICES)
    return None if name is None else library.template(name, markup_of(KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", NOTICES, ids=lambda event: event["subject"])
@pytest.mark.parametrize("of_decisions", [None, MINE], ids=["kind's", "mine"])
def test_every_kind_tells_every_notice_by_a_template_of_its_own(
    kind: str, event: NoticeEvent, of_decisions: Template | None
) -> None:
    """Never by an operator's, which is for decisions and knows no notice."""
    body = as_json(event)
    rendered = Renderer(Templates(of_decisions, notices_of(kind)), kind=kind, name="x").render(body)
    told = event["data"]["notice"]

    assert rendered.problem is None
    match kind:
        case "slack":
            message = json.loads(rendered.body)
            assert message["text"] == told["title"]
            assert message == within_limits(message)
        case "sysdig":
            (one,) = json.loads(rendered.body)["events"]
            assert one["output"] == f"{told['title']}. {told['text']}"
            assert one["output_fields"]["gatecrier.cause"] == told["facts"]["cause"]
        case _:
            assert rendered.body is body
            assert rendered.content_type == CONTENT_TYPE


@pytest.mark.parametrize(("kind", "where"), [("slack", "text"), ("sysdig", "output")])
def test_a_notice_whose_template_fails_is_told_all_the_same(kind: str, where: str) -> None:
    renderer = Renderer(Templates(None, Template.parse("bad", "{{ nothing }}")), kind=kind, name="x")
    rendered = renderer.render(as_json(NOTICES[1]))
    message = json.loads(rendered.body)

    assert rendered.is_fallback
    text = message["text"] if kind == "slack" else message["events"][0][where]
    assert NOTICES[1]["data"]["notice"]["title"] in text


def test_no_template_of_an_operator_takes_the_place_of_a_notice_s(tmp_path: Path) -> None:
    (tmp_path / "templates" / "notices").mkdir(parents=True)
    for file in ("slack.json", "notices/slack.json"):
        (tmp_path / "templates" / file).write_text('{"text": "mine"}')
    slack: AnyDestination = SlackSettings(kind="slack", name="s", url=Secret(env="SLACK_URL"))
    telling = TellingItems([Item(0, "s", slack, is_whole=True)], [], None, tmp_path / "templates")
    found, problems = gathered(templates(telling, Reading(tmp_path / "gatecrier.yaml", {})))

    assert not problems
    assert found["s"].of_decisions is not None
    assert found["s"].of_decisions.render({}).body == b'{"text":"mine"}'
    assert found["s"].of_notices is notices_of("slack")
