"""A template has the places of secrets, and nothing that it could do anything else with."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TemplateError
from router.rendering.library import Templates
from router.rendering.markup import Escaped, Markup, cut_bytes, cut_chars
from router.rendering.rehearsal import OF_DECISIONS
from router.rendering.renderer import Renderer
from router.rendering.secret_places import MASK, SecretPlace, end_before, has_place, nested
from router.rendering.secrets import SECRETS
from router.rendering.template import Template
from router.rendering.values import as_text
from tests.rendering.hostile import event_with

KEY, OTHER = SecretPlace("0f" * 16, 0).text(), SecretPlace("0f" * 16, 1).text(90)
CONTEXT = {"a": "text", "yes": True, "some": [1, 2], SECRETS: {"key": KEY, "other": OTHER}}


def made(source: str, markup: Markup = Markup.NONE) -> object:
    return Template.parse("mine", source, markup, known={**OF_DECISIONS.known, **CONTEXT}).render(CONTEXT).value


@pytest.mark.parametrize("markup", Markup)
@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('{"k": {{ destination.secrets.key }}}', {"k": KEY}),
        ('{"k": "{{ destination.secrets.key }}"}', {"k": KEY}),
        ('{"k": "Bearer {{ destination.secrets.key }}!"}', {"k": f"Bearer {KEY}!"}),
        ("""{"k": "{{ destination['secrets']['key'] }}{{ destination.secrets.other }}"}""", {"k": KEY + OTHER}),
        (
            '[{% for one in some %}"{{ destination.secrets.key }}"{% if not loop.last %},{% endif %}{% endfor %}]',
            [KEY] * 2,
        ),
        ('{"k": {% if yes %}{{ destination.secrets.key }}{% else %}1{% endif %}}', {"k": KEY}),
        ('{"a": "b", {% if yes %}"k": "{{ destination.secrets.key }}"{% endif %}}', {"a": "b", "k": KEY}),
    ],
)
def test_a_secret_is_a_value_or_a_part_of_one(source: str, value: object, markup: Markup) -> None:
    assert made(source, markup) == value


ALONE = "a secret stands alone, {{ destination.secrets.NAME }}"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('{"k": "{{ destination.secrets.key | upper }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key | default(1) }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key ~ a }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key[0] }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key[:3] }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key.x }}"}', ALONE),
        ('{"k": "{{ destination.secrets.key if yes else a }}"}', ALONE),
        ('{"k": "{{ (destination.secrets.key) == a }}"}', ALONE),
        ('{"k": {{ [destination.secrets.key] }}}', ALONE),
        ('{"k": {{ destination.secrets }}}', ALONE),
        ('{"k": {{ destination.secrets | length }}}', ALONE),
        ('{"k": {{ destination.secrets[a] }}}', ALONE),
        ('{"k": {{ destination["secrets"] | tojson }}}', ALONE),
        ('{% if destination.secrets.key %}{"k": 1}{% else %}{}{% endif %}', ALONE),
        ("[{% for one in destination.secrets.key %}1{% endfor %}]", ALONE),
        ('{% set s = destination.secrets.key %}"{{ s }}"', ALONE),
        ('{% with s = destination.secrets.key %}"{{ s }}"{% endwith %}', ALONE),
        ('{"{{ destination.secrets.key }}": 1}', "a key that holds a secret"),
        ('{"x-{{ destination.secrets.key }}-y": 1}', "a key that holds a secret"),
        ('{"{% if yes %}{{ destination.secrets.key }}{% endif %}": 1}', "a key that holds a secret"),
        ('{"{% for one in some %}{{ destination.secrets.key }}{% endfor %}": 1}', "a key that holds a secret"),
        ("{{ destination.secrets.key }}: 1", "a key that is a value without quotes"),
        ('{% set d = destination %}"{{ d.secrets.key }}"', 'there is no "secrets"'),
        ('"{{ __secrets.key }}"', '"__secrets": no name starts with an underscore'),
        ("\"{{ 'key' | __secret }}\"", "there is no filter"),
    ],
)
def test_what_would_look_at_a_secret_is_refused_when_the_template_is_read(source: str, told: str) -> None:
    known = {**OF_DECISIONS.known, **CONTEXT}
    with pytest.raises(TemplateError, match=rf"template mine: line 2: {re.escape(told)}"):
        Template.parse("mine", f"\n{source}", known=known).render({**known, **CONTEXT})


def test_a_template_says_which_secrets_it_has_and_where() -> None:
    template = Template.parse(
        "mine", '[\n{{ destination.secrets.b }},\n"{{ destination.secrets.a }}{{ destination.secrets.b }}"]'
    )

    assert template.secrets == {"b": 2, "a": 3}


def test_where_nothing_is_sent_a_mask_stands_in_the_place() -> None:
    template = Template.parse("mine", '"{{ destination.secrets.whatever }}"')

    assert template.render({}).value == MASK
    OF_DECISIONS.rehearse(template)


def test_a_secret_that_the_destination_has_not_is_told_with_its_remedy() -> None:
    template = Template.parse("mine", '"{{ destination.secrets.kye }}"')
    rendered = Renderer(Templates(template), kind="webhook", name="it", secrets={"key": KEY}).render(event_with("x"))

    assert rendered.problem is not None
    assert rendered.problem.startswith(
        'template mine: line 1: the destination has no secret "kye"; did you mean "key"?'
    )


def test_a_document_that_is_no_json_is_not_shown_with_the_place_of_a_secret() -> None:
    with pytest.raises(TemplateError) as raised:
        Template.parse("mine", '{"a": "{{ destination.secrets.key }}",}').render(CONTEXT)

    assert "GatecrierSecret" not in str(raised.value)


@given(st.text("aé🔐\\&", max_size=9), st.integers(0, 150), st.sampled_from([str, Escaped]))
def test_a_place_is_in_a_cut_text_whole_or_not_at_all(text: str, limit: int, kind: type[str]) -> None:
    whole = kind(f"{text}{KEY}{text}{OTHER}{text}")
    for short in (cut_chars(whole, limit), cut_bytes(whole, limit)):
        rest = short.replace(KEY, "").replace(OTHER, "")

        assert "G" not in rest
        assert "P" not in rest


def test_a_place_is_as_long_as_its_secret_and_is_known_as_one() -> None:
    assert [len(OTHER), len(SecretPlace("0f" * 16, 1).text(10))] == [90, len(KEY)]
    assert has_place(f"a{OTHER}b")
    assert not has_place("GatecrierSecret of somebody else")
    assert [end_before(f"a{KEY}", end) for end in (1, 2, len(KEY), len(KEY) + 1)] == [1, 1, 1, len(KEY) + 1]


def test_a_place_in_json_that_becomes_text_says_so() -> None:
    inner = as_text({"a": [OTHER, "GatecrierSecret"]})
    deeper = json.loads(inner)["a"][0]

    assert len(deeper) == len(OTHER)
    assert deeper == SecretPlace("0f" * 16, 1, 1).text(90)
    assert nested(deeper) == SecretPlace("0f" * 16, 1, 2).text(90)
    assert nested("nothing") == "nothing"
