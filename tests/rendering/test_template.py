from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import TemplateError
from router.rendering.markup import Markup
from router.rendering.template import Template
from tests.rendering.hostile import ANY_TEXT, shape_of

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def rendered(source: str, markup: Markup = Markup.NONE, **context: object) -> object:
    return json.loads(Template.parse("t", source, markup).render(context).body)


@given(ANY_TEXT, st.sampled_from(list(Markup)))
def test_a_value_in_quotes_can_not_change_the_shape_of_a_payload(value: str, markup: Markup) -> None:
    """Image names are written by whoever deploys; they must never become JSON structure."""
    source = '{"a": "{{ v }}", "b": ["x{{ v }}y{{ v }}"], "c": {% if v %}"{{ v }}"{% else %}"-"{% endif %}}'

    assert shape_of(rendered(source, markup, v=value)) == {"a": "str", "b": ["str"], "c": "str"}


@given(VALUES, st.sampled_from(list(Markup)))
def test_a_bare_value_is_exactly_one_value(value: object, markup: Markup) -> None:
    document = rendered('{"before": 1, "v": {{ v }}, "after": [{{ v }}, {{ v }}]}', markup, v=value)

    assert isinstance(document, dict)
    assert list(document) == ["before", "v", "after"]
    assert document["after"] == [document["v"], document["v"]]


@given(st.lists(ANY_TEXT, max_size=5))
def test_a_loop_makes_as_many_items_as_there_are(values: list[str]) -> None:
    source = '[{% for v in values %}{"n": "{{ v }}"}{% if not loop.last %}, {% endif %}{% endfor %}]'

    assert shape_of(rendered(source, values=values)) == [{"n": "str"}] * len(values)


@given(ANY_TEXT)
def test_text_arrives_as_it_was(value: str) -> None:
    """But for lone surrogates, which no JSON in UTF-8 can hold."""
    expected = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in value)

    assert rendered('"{{ v }}"', v=value) == expected


@pytest.mark.parametrize("markup", list(Markup))
@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "\udc00\ud800"])
def test_lone_surrogates_stop_no_alert(value: str, markup: Markup) -> None:
    """A clumsy client's text must not make a document that nobody can read."""
    document = rendered('["{{ v }}", {{ v }}, {{ [v] }}]', markup, v=value)

    assert shape_of(document) == ["str", "str", ["str"]]
    json.dumps(document, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.20", "1.20"),
        ("null", "null"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ([1, "a"], '[1,"a"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_a_value_in_quotes_stays_text(value: object, text: str) -> None:
    assert rendered('"{{ v }}"', v=value) == text


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "a", [1, {"b": "c"}], {"a": [None]}])
def test_a_bare_value_is_native(value: object) -> None:
    assert rendered("{{ v }}", v=value) == value


def test_slack_markup_is_escaped_unless_the_author_says_otherwise() -> None:
    source = '["{{ v }}", {{ v }}, "{{ v | raw }}", "{{ v | slack_escape }}", {{ [v] }}]'
    shown = "&lt;!channel&gt; &amp; \\u202e"

    assert rendered(source, Markup.SLACK, v="<!channel> & \u202e") == [
        shown, shown, "<!channel> & \u202e", shown, [shown],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{"a": "{{ v }', "unexpected"),
        ('{"a": {% if v %}"b{% else %}"c"{% endif %}}', "one branch"),
        ('{% for v in [1] %}"{% endfor %}', "different sides of a quote"),
        ('{"a": "b}', "never closed"),
        ('{"a": "\\{{ v }}"}', "backslash"),
        ("{% macro m() %}{% endmacro %}1", "macro"),
        ("{% include 'other' %}", "include"),
        ("{% extends 'other' %}", "extends"),
        ("{% import 'other' as o %}1", "import"),
        ("{% block b %}1{% endblock %}", "block"),
        ("{% set x %}1{% endset %}{{ x }}", "{% set %} with a body"),
        ("{% for a in v recursive %}1{% endfor %}", "recursive"),
        ("{{ v | attr('x') }}", 'there is no filter "attr"'),
        ("{{ v | __text }}", "there is no filter"),
        ("{{ 1e999 }}", "line 1: a number is too large"),
        ("{{ __budget }}", "no name starts with an underscore"),
        ("{% set __budget = 1 %}1", "no name starts with an underscore"),
        ('{"a": "{{ v | replace(\\"a\\", \\"b\\") }}"}', "write single quotes"),
        ('"' + "x" * 300_000 + '"', "more than"),
    ],
)
def test_what_can_not_be_a_template_is_refused_when_it_is_read(source: str, words: str) -> None:
    """Not at three in the morning."""
    with pytest.raises(TemplateError, match="template t") as caught:
        Template.parse("t", source)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ v.image }}", 'did you mean "images"'),
        ("{{ v.zzz }}", "there is: a, b, images"),
        ("{{ v.images.name.more }}", "has no fields"),
        ("{{ v['zzz'] }}", 'there is no "zzz"'),
        ("{{ v.images[7] }}", "there is no"),
        ("{{ v.images.append(1) }}", "has no fields"),
        ("{{ v.keys() }}", 'there is no "keys"'),
        ("{{ ''.format() }}", "has no fields"),
        ("{{ v.__class__ }}", 'there is no "__class__"'),
        ("{% for a in v.images %}{{ loop.__class__ }}{% endfor %}", "has no fields"),
        ("{{ v.images | map(attribute='__class__') | list }}", "has no fields"),
        ("{{ v() }}", "safely callable"),
        ('{"a": 1,}', "not valid JSON"),
        ("{{ 'x' * 1000000 }}", "for numbers"),
        ("{{ 2 ** 100000 }}", "powers"),
        ("{{ '%999999999d' % 1 }}", "for numbers"),
        ("{{ range(100000) | list }}", "range() is limited"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}1", "steps"),
        ("{{ ('x' | list | join('y')).join([]) }}", "has no fields"),
        ("{{ 'aaaa' | replace('a', big) | replace('a', big) }}", "more than"),
        ("{% set a = big ~ big ~ big ~ big %}{% set b = a ~ a %}{% set c = b ~ b %}{{ c }}", "more than"),
        ("{% set a = big + big + big + big + big + big + big + big + big + big + big %}{{ a }}", "more than"),
        ("{% for a in range(20) %}{{ big }}{% endfor %}", "larger than"),
        ("{{ 1 / 0 }}", "line 1: a division by zero"),
        ("{{ 'a' + 1 }}", "does not fit: can only concatenate a text (not a number) to a text"),
        ("{{ 1 + 'a' }}", "does not fit: unsupported operand type(s) for +: a number and a text"),
        ("{{ v < 1 }}", "does not fit: '<' not supported between instances of an object and a number"),
        ("{% for a in 3 %}{% endfor %}1", "does not fit: a number is not iterable"),
        ("{{ v.a.b }}", "a text has no fields"),
        ("{{ v.a | dictsort }}", "does not fit: a text has no attribute 'items'"),
        ("{{ v.a | upper('x') }}", "line 1: a filter or test is given what it does not take"),
        ("{{ v.a | truncate_chars }}", "line 1: `truncate_chars` is given what it does not take"),
        ("{{ v.a | replace('x') }}", "line 1: `replace` is given what it does not take"),
        ("{{ v.a | first(size=1) }}", "line 1: `first` is given what it does not take"),
        ("{{ v.a | string(1) }}", "line 1: a filter or test is given what it does not take"),
        ("{{ [1e308, 1e308] | sum }}", "`sum` makes a number that is too large"),
        ("{{ 1e308 * 10 }}", "`*` makes a number that is too large"),
        ("{{ 1e308 / 1e-308 }}", "`/` makes a number that is too large"),
        ("{{ 'today' | rfc3339 }}", "is not a valid time"),
        ("{{ 7 | epoch_s }}", "is not a valid time"),
        ("{{ 'high' | map_severity('fax') }}", 'knows no "fax"'),
        ('{"{{ v.a }}": 1, "{{ v.b }}": 2}', "two keys"),
    ],
)  # fmt: skip
def test_what_fails_when_it_is_rendered_says_why(source: str, words: str) -> None:
    context = {"v": {"images": [1], "a": "same", "b": "same"}, "big": "a" * 100_000}
    with pytest.raises(TemplateError, match="template t") as caught:
        Template.parse("t", source).render(context)

    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["1e999", "-inf", "nan", "Infinity", "no number"])
def test_what_says_no_number_that_json_has_is_the_default(text: str) -> None:
    """Others write it: it neither makes a template fail nor becomes null."""
    assert rendered("[{{ v | float }}, {{ v | float(none) }}]", v=text) == [0.0, None]


@pytest.mark.parametrize("source", ["{{ v | round }}", "{{ [1] in v }}", "{{ v[v:] }}"])
def test_what_only_python_could_say_is_left_out(source: str) -> None:
    with pytest.raises(TemplateError, match=r"line 1: a value is of a kind that does not fit$"):
        rendered(source, v="text")


def test_made_keys_that_differ_are_fine() -> None:
    assert rendered('{"{{ a }}": 1, "x{{ a }}": 2}', a="k") == {"k": 1, "xk": 2}


def test_fields_of_an_event_are_never_methods() -> None:
    assert rendered("{{ v.items }}", v={"items": [1], "keys": 2}) == [1]


def test_undefined_values_have_defaults() -> None:
    assert rendered("[{{ v.a | default('x') }}, {{ b | default(none) }}]", v={"c": 1}) == ["x", None]


def test_arithmetic_conditions_and_with_work() -> None:
    source = "{% with n = v | length %}[{{ n * 2 + 1 }}, {{ n > 1 }}, {{ 7 % 4 }}, {{ v[0] ~ '-' ~ n }}]{% endwith %}"

    assert rendered(source, v=["a", "b"]) == [5, True, 3, "a-2"]


def test_elif_chains_choose_one() -> None:
    source = '"{% if v == 1 %}one{% elif v == 2 %}two{% else %}many{% endif %}"'

    assert [rendered(source, v=number) for number in (1, 2, 3)] == ["one", "two", "many"]
