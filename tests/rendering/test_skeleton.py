from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.template import Template
from tests.rendering.hostile import ANY_TEXT, shape_of

PIECES = ["v.text", "v.number", "v.null", "v.items", "v.text | upper", "v.text ~ v.text", "v.items | length"]
"""Expressions; what stands in quotes may hold any of them."""


def text(interpolation: str, before: str) -> str:
    return f'"{before}{{{{ {interpolation} }}}}"'


def looped(body: str, target: str) -> str:
    return f"[{{% for {target} in v.items %}}{body}{{% if not loop.last %}}, {{% endif %}}{{% endfor %}}]"


def chosen(one: str, other: str) -> str:
    return f"{{% if v.number %}}{one}{{% else %}} {other}{{% endif %}}"


BEFORE = ["", "a ", "\\\\", "\\u0041", "{% if v.text %}x{% endif %}"]


def mapping(values: list[str]) -> str:
    return "{" + ", ".join(f'"k{index}" : {value}' for index, value in enumerate(values)) + "}"


LEAVES = st.one_of(
    st.builds(text, st.sampled_from(PIECES), st.sampled_from(BEFORE)),
    st.sampled_from(PIECES).map("{{{{ {} | string }}}}".format),
    st.sampled_from(["1", "null", '"fixed"', "{{ v.number }}", "[]"]),
)  # fmt: skip
SOURCES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[\n  {' , '.join(items)} ]"),
        st.lists(inner, max_size=3).map(mapping),
        st.builds(looped, inner, st.sampled_from(["a", "b"])),
        st.builds(chosen, inner, inner),
    ),
    max_leaves=6,
)


def context(value: str) -> dict[str, object]:
    return {"v": {"text": value, "number": 7, "null": None, "items": [value, value]}}


@given(SOURCES, ANY_TEXT, st.sampled_from(list(Markup)))
@settings(max_examples=200, deadline=None)
def test_the_shape_of_a_document_depends_on_no_text(source: str, value: str, markup: Markup) -> None:
    """Whatever the template's skeleton and whatever the text: strings stay strings, lists keep their length."""
    template = Template.parse("t", source, markup)

    made, plain = template.render(context(value)), template.render(context("a"))

    assert shape_of(json.loads(made.body)) == shape_of(json.loads(plain.body))
    assert json.loads(made.body) == made.value


@given(st.text(st.sampled_from('{}%#"\\:,[] \n\tuav01.|=-'), max_size=60) | st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_at_all_is_a_template_or_refused(source: str) -> None:
    """What an editor left half-written must never end the program."""
    body = b"null"
    with suppress(TemplateError):
        body = Template.parse("t", source).render(context("x")).body

    json.loads(body)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{\n{{ v.text }}: 1}", "line 2: a key that is a value without quotes"),
        ("{ {{ v.text }} {# so #} : 1}", "a key that is a value without quotes"),
        ('{ {% if v.text %}{{ v.text }}{% else %}"k"{% endif %}: 1}', "a key that is a value without quotes"),
        ('"\\u00{{ v.number }}"', "within an escape"),
        ('"\\u004{{ v.number }}"', "within an escape"),
        ('[\n"a\n{{ v.text }}"]', "line 2: a line break or tab inside quotes"),
        ('{"a": "x\ty"}', "a line break or tab inside quotes"),
        ("{% autoescape true %}1{% endautoescape %}", "autoescape is not for templates"),
        ("{% for a in v.items %}\\u{% endfor %}1", ""),
    ],
)
def test_an_interpolation_has_a_place_that_no_value_decides(source: str, words: str) -> None:
    with pytest.raises(TemplateError, match="template t") as caught:
        Template.parse("t", source).render(context("x"))

    assert words in str(caught.value)


GLUED = ["1{{ v.number }}", "{{ v.number }}{{ v.number }}", "-{{ v.number }}", "{{ v.number }}e5", "tru{{ v.text }}"]


@pytest.mark.parametrize("source", GLUED)
def test_a_number_never_grows_together_with_what_stands_beside_it(source: str) -> None:
    """`1{{ n }}` would be 12 with one value and an error with another."""
    with pytest.raises(TemplateError, match="not valid JSON"):
        Template.parse("t", source).render(context("x"))


@pytest.mark.parametrize(
    ("source", "document"),
    [
        ('{"a" : [ 1 ,\n 2 ] , "b c" : " d  e " }\n', '{"a":[1,2],"b c":" d  e "}'),
        ("[ {% if v.text %} true {% else %} 1 {% endif %} ]", "[ true ]"),
        ('[ "{{ v.text }}" , {{ v.items }} ]', '["x",["x","x"]]'),
    ],
)
def test_space_outside_quotes_is_dropped_and_inside_kept(source: str, document: str) -> None:
    assert Template.parse("t", source).render(context("x")).body.decode() == document


def test_a_document_is_one_line() -> None:
    """Files of JSON lines and services of NDJSON need no encoder of their own."""
    source = '{\n "a": [\n{% for i in v.items %}\n"{{ i }}"{% if not loop.last %},\n{% endif %}\n{% endfor %}\n]\n}\n'

    assert b"\n" not in Template.parse("t", source).render(context("a\nb")).body


def test_literals_that_are_kept_apart_stay_apart() -> None:
    with pytest.raises(TemplateError, match="not valid JSON"):
        Template.parse("t", "1 {% if v.text %} 2{% endif %}").render(context("x"))


@pytest.mark.parametrize(
    "source",
    [
        '{"k{{ v.text }}": 1, "kx": 2}',
        '{"a": 0, {% for i in v.items %}"k": 1, {% endfor %}"z": 1}',
        '{"k{% if v.text %}x{% endif %}": 1, "kx": 2}',
        '{ {% if v.text %}"a": 1, {% endif %}"a": 2}',
        '{ {% if v.text %}"a{% else %}"b{% endif %}": 1, "a": 2}',
        '{% if v.text %}{"o": { {% else %}{ {% endif %}"a": 1, "a": 2} {% if v.text %} } {% endif %}',
        '{% for i in [1] %}{ {% endfor %}"a": 1, {% if v.text %}"a": 1{% endif %} }',
    ],
)
def test_a_key_never_hides_another(source: str) -> None:
    with pytest.raises(TemplateError, match="two keys of an object are"):
        Template.parse("t", source).render(context("x"))


def test_an_object_inside_a_loop_costs_no_check_of_keys() -> None:
    """The check is slow, and only templates that make keys pay for it."""
    assert not Template.parse("t", '[{% for i in v.items %}{"a": "{{ i }}"}{% endfor %}]').has_made_keys
    assert Template.parse("t", '{ {% for i in v.items %}"{{ i }}": 1{% endfor %}}').has_made_keys
