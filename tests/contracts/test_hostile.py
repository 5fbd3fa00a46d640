"""One hostile corpus, through the templates of every kind and through every markup that a webhook can have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import pytest

from router.destinations.catalogue import KINDS
from router.destinations.kind import AnyKind
from router.destinations.kinds.webhook import MarkupName
from router.rendering.library import Templates
from router.rendering.markup import Markup
from router.rendering.template import Template
from tests.contracts.kinds import composed, documents_in, kind_of_name, renderer, shipped
from tests.rendering.hostile import HOSTILE, event_with, incident_with, shape_of
from tests.rendering.readers import READERS

WITH_TEMPLATES = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.has_templates], ids=lambda kind: kind.name
)
WRITTEN = pytest.mark.parametrize("written", [event_with, incident_with])
Written = Callable[[str], bytes]


@WITH_TEMPLATES
@WRITTEN
def test_no_value_changes_the_shape_of_a_kind_s_payload(kind: AnyKind, written: Written, tmp_path: Path) -> None:
    """Neither what the template makes, nor what the dialect makes of it."""
    render = renderer(kind, shipped(kind)).render
    plain = render(written("plain"))
    sent = composed(kind, tmp_path, plain.body)
    for text in HOSTILE:
        hostile = render(written(text))

        assert hostile.problem is None, text
        assert shape_of(json.loads(hostile.body)) == shape_of(json.loads(plain.body)), text
        assert shape_of(documents_in(composed(kind, tmp_path, hostile.body))) == shape_of(documents_in(sent)), text


@WITH_TEMPLATES
@WRITTEN
def test_no_value_is_read_as_markup_in_a_kind_s_payload(kind: AnyKind, written: Written) -> None:
    """Each text as its service reads it has the markup that the template has."""
    render = renderer(kind, shipped(kind)).render
    reader = READERS.get(kind.markup, nothing)

    def read(text: str) -> list[Sequence[object]]:
        return [reader(one) for one in texts_in(json.loads(render(written(text)).body))]

    plain = read("plain")
    for text in HOSTILE:
        assert read(text) == plain, text


def nothing(_: str) -> list[object]:
    """What is markup where there is none."""
    return []


def texts_in(value: object) -> Iterator[str]:
    """All texts of a document, in order."""
    match value:
        case str():
            yield value
        case dict() | list():
            for one in value.values() if isinstance(value, dict) else value:
                yield from texts_in(one)
        case _:
            pass


IMAGE = "{{ event.images[0].image }}"
MARKDOWN = (
    f"# {IMAGE}\\n\\n{IMAGE}\\n\\n- {IMAGE}\\n- [{IMAGE}](https://ours.example)\\n\\n"
    f"| a | b |\\n|---|---|\\n| {IMAGE} | {{{{ event.images[0].image | code }}}}x |\\n\\n> {IMAGE}"
)
FORMS: Mapping[str, str] = {
    "none": IMAGE,
    "slack": f"*Refused* <https://ours.example|{IMAGE}> by {{{{ event.images[0].image | code }}}}\\n{IMAGE}",
    "markdown": MARKDOWN,
    "discord": MARKDOWN,
    "adaptive_card": f"**Refused** [here](https://ours.example) {IMAGE}",
    "google_chat": f"*Refused* <https://ours.example|here> {IMAGE}",
    "html": f"<p title='{IMAGE}' class=\\\"{IMAGE}\\\">{IMAGE}</p><ul><li>{IMAGE}</li></ul>",
    "cef": f"CEF:0|Gatecrier|gatecrier|1|{IMAGE}|{IMAGE}|9|msg={IMAGE} cs1={IMAGE} cs1Label=image",
    "leef": f"LEEF:2.0|Gatecrier|gatecrier|1|DENIED|sev=9\\tmsg={IMAGE}\\tusrName={IMAGE}",
    "syslog": f'[x image=\\"{IMAGE}\\" user=\\"{IMAGE}\\"]',
}
"""What a template may make for a receiver of each: a value in every kind of place."""


@pytest.mark.parametrize("name", get_args(MarkupName))
def test_no_value_is_read_as_markup_by_whoever_a_webhook_tells(name: str) -> None:
    """Every markup that an operator may name, as its receiver reads it."""
    kind = kind_of_name("webhook")
    markup = kind.markup_by(name)
    render = renderer(kind, Templates(Template.parse("mine", f'"{FORMS[name]}"', markup))).render
    reader = READERS.get(markup, nothing)

    def read(text: str) -> Sequence[object]:
        return reader(json.loads(render(event_with(text)).body))

    plain = read("plain")
    assert markup.value == name
    assert plain != ([] if markup in READERS else None)
    for text in HOSTILE:
        assert not text or read(text) == plain, text


def test_every_markup_that_has_any_is_read() -> None:
    internal = {Markup.NONE, Markup.ADF, Markup.CEF_EXTENSION, Markup.QUOTED, Markup.LINE}

    assert READERS.keys() == set(Markup) - internal
