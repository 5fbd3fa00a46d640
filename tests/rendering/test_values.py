from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.template import Template
from router.rendering.values import JsonText, as_json, as_text, without_surrogates
from tests.rendering.hostile import ANY_TEXT


@given(st.recursive(ANY_TEXT | st.integers(-9, 9), lambda inner: st.dictionaries(ANY_TEXT, inner, max_size=3)))
def test_lone_surrogates_become_u_fffd_wherever_they_stand(value: object) -> None:
    text = as_json(value).decode()

    assert without_surrogates(text) == text


def test_keys_that_are_no_texts_become_texts() -> None:
    assert json.loads(as_json({7: 2, None: 3, True: 4})) == {"7": 2, "": 3, "true": 4}


@pytest.mark.parametrize("value", [object(), iter([1]), len, {1, 2}, b"bytes"])
def test_what_json_can_not_hold_is_shown_nowhere(value: object) -> None:
    """Addresses in memory are nobody's business."""
    with pytest.raises(TemplateError):
        as_text(value)
    with pytest.raises(TemplateError):
        as_json([value])


@pytest.mark.parametrize(("value", "text"), [(range(3), "[0,1,2]"), ((1, "a"), '[1,"a"]'), (1e22, "1e+22"), (0, "0")])
def test_values_are_read_as_people_would(value: object, text: str) -> None:
    assert as_text(value) == text


def test_json_is_its_value_without_quotes_and_text_inside() -> None:
    """Whoever writes `{{ x | tojson }}`, as templates elsewhere must, gets what he means."""
    template = Template.parse("t", '[{{ v | tojson }}, "{{ v | tojson }}", {{ v | tojson | upper }}]', Markup.SLACK)

    assert json.loads(template.render({"v": {"a": "<"}}).body) == [{"a": "&lt;"}, '{"a":"&lt;"}', '{"A":"&lt;"}']


def test_json_remembers_its_value() -> None:
    value = {"a": [1, None]}

    assert JsonText.of(value) == '{"a":[1,null]}'
    assert JsonText.of(value).value is value


USES = ["{{ v }}", "{{ [v] }}", '"{{ v }}"', '"{{ [v] }}"', "{{ {'a': v} }}", "{{ v ~ 'a' }}", "{{ v | upper }}",
        "{{ v() }}", "{{ v.x }}", "{{ v | tojson }}"]  # fmt: skip


@pytest.mark.parametrize("source", USES)
def test_a_missing_name_is_missed_wherever_it_stands(source: str) -> None:
    with pytest.raises(TemplateError, match="'v' is undefined"):
        Template.parse("t", source).render({})


def test_a_mistake_while_rendering_is_told_with_its_line() -> None:
    template = Template.parse("t", '{"a": 1,\n"b": [\n{% for i in v %}\n{{ i.x }}{% endfor %}]}')
    with pytest.raises(TemplateError, match=r'template t: line 4: there is no "x" in null'):
        template.render({"v": [None]})
