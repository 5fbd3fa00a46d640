"""Every template ends: what it costs is counted where work is done, without a clock."""

from __future__ import annotations

import tracemalloc

import pytest

from router.errors import TemplateError
from router.rendering.budget import BUDGET, SIZE, STEPS, charged, paid, price
from router.rendering.filters import all_filters
from router.rendering.markup import Markup
from router.rendering.sandbox import Sandbox
from router.rendering.template import Template

BIG = "a" * 100_000
CONTEXT = {"big": BIG, "many": [BIG] * 40, "v": {"a": 1}}
HARD = [
    "{{ big | upper | length }}",
    "{% if big == big ~ '' %}{% endif %}",
    "{% if 'zz' in big %}{% endif %}",
    "{% set x = big[1:] %}",
    "{% set x = big + 'a' %}",
    "{% set x = many | map('upper') | length %}",
    "{% set x = many | sort | unique | list %}",
    "{% set x = many | map('truncate_chars', 9) | join %}",
    "{% if v.a %}{% endif %}" * 1500,
    "{% for b in range(9999) %}{% endfor %}",
    "{{ big[:20000] | list | length }}",
    "{% if big is lower %}{% endif %}",
    "{% if 'zz' is in big %}{% endif %}",
    "{% if 'a' in range(9999) %}{% endif %}",
    "{{ ['zz'] | select('in', big) | length }}",
]
OUTSIDE = {
    "comparisons": "{% if 'zz' in big %}{% endif %}" * 2000,
    "tests": "{% if big is lower %}{% endif %}" * 2000,
    "slices": "{% if big[1:] %}{% endif %}" * 2000,
    "a test of each": "{{ range(9999) | map('string') | select('in', big) | length }}",
    "no test of each": "{{ range(9999) | map('string') | reject('in', big) | length }}",
    "a filter of each": "{{ range(9999) | map('replace', 'a', big) | length }}",
    "few filters of what is long": "{{ big | list" + " | sort | reverse" * 9 + " | length }}",
    "constants": "{{ '" + "a" * 100_000 + "' | list" + " | sort | reverse" * 9 + " | length }}",
}
"""What would take many seconds outside loops."""
COSTLY_CONDITIONS = [
    "[" + ",".join(["a == 1"] * 2000) + "]",
    "[" + ",".join(["a is defined"] * 2000) + "]",
    "big in big",
]
TWICE = [
    "{% set a = [a, a] %}",
    "{% set a = {'x': a, 'y': a} %}",
    "{% set a = (a, a) %}",
    "{% set a = a + a %}",
    "{% with a = [a, [a]] %}",
]


@pytest.mark.no_cover
@pytest.mark.parametrize("body", HARD, ids=range(len(HARD)))
def test_a_loop_that_works_hard_runs_out_of_steps(body: str) -> None:
    template = Template.parse("t", f"{{% for a in range(9999) %}}{body}{{% endfor %}}1")
    with pytest.raises(TemplateError, match=f"takes more than {STEPS} steps"):
        template.render(CONTEXT)


@pytest.mark.no_cover
@pytest.mark.parametrize("body", OUTSIDE.values(), ids=OUTSIDE)
def test_what_works_hard_outside_loops_runs_out_of_steps_too(body: str) -> None:
    """When it is rendered, that is: nothing of it is done before, by whoever reads the template."""
    template = Template.parse("t", f"{body}1")
    with pytest.raises(TemplateError, match=f"takes more than {STEPS} steps"):
        template.render(CONTEXT)


@pytest.mark.no_cover
@pytest.mark.parametrize("filter_", ["selectattr", "rejectattr"])
def test_a_test_of_a_field_of_each_is_paid_for(filter_: str) -> None:
    template = Template.parse("t", f"{{{{ rows | {filter_}('a', 'in', big) | length }}}}")
    with pytest.raises(TemplateError, match=f"takes more than {STEPS} steps"):
        template.render({**CONTEXT, "rows": [{"a": "zz"}] * 2000})


@pytest.mark.no_cover
@pytest.mark.parametrize("condition", COSTLY_CONDITIONS, ids=range(len(COSTLY_CONDITIONS)))
def test_the_condition_of_a_loop_is_paid_for_each_turn(condition: str) -> None:
    """It was free: one loop took many seconds."""
    template = Template.parse("t", f"{{% for a in range(9999) if {condition} %}}{{% endfor %}}1")
    with pytest.raises(TemplateError, match=f"takes more than {STEPS} steps"):
        template.render(CONTEXT)


@pytest.mark.no_cover
@pytest.mark.parametrize("twice", TWICE)
def test_nothing_doubles_without_end(twice: str) -> None:
    """Each list is small and holds the one before twice: written out, the thirtieth has a milliard of parts."""
    ends = "{% endwith %}" * 15 if "with" in twice else ""
    template = Template.parse("t", "{% set a = [big] %}" + twice * 15 + "{{ a }}" + ends)
    with pytest.raises(TemplateError, match="more than"):
        template.render(CONTEXT)


@pytest.mark.no_cover
def test_texts_that_are_kept_are_paid_for() -> None:
    """Three hundred of them would have taken hundreds of megabytes."""
    made = "".join(f"{{% set c{number} = b | upper %}}" for number in range(299))
    with pytest.raises(TemplateError, match="steps"):
        Template.parse("t", "{% set b = " + " ~ ".join(["big"] * 10) + " %}" + made + "1").render(CONTEXT)


@pytest.mark.no_cover
def test_very_many_filters_outside_loops_run_out_of_steps_too() -> None:
    source = "[" + ",".join(["{{ big | upper | lower | length }}"] * 2000) + "]"
    with pytest.raises(TemplateError, match="steps"):
        Template.parse("t", source).render(CONTEXT)


def test_an_honest_template_has_enough_steps() -> None:
    """A thousand images, each with a dozen fields, some cut."""
    fields = ", ".join(f'"f{i}": "{{{{ image.name | lower | truncate_chars(20) }}}}"' for i in range(12))
    source = f"[{{% for image in images %}}{{ {fields} }}{{% if not loop.last %}},{{% endif %}}{{% endfor %}}]"

    assert Template.parse("t", source).render({"images": [{"name": "registry.example/shop/web:1.4"}] * 1000}).body


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ many | join }}", "more than"),
        ("{{ many | join(big) }}", "more than"),
        ("{{ ('a' | replace('', big)) | replace('a', big) }}", "more than"),
        ("{% set a = big ~ big ~ big ~ big ~ big ~ big ~ big ~ big ~ big ~ big ~ big %}1", "more than"),
        ("{{ many }}", "larger than"),
        ("{% for a in many %}{{ a }}{% endfor %}", "larger than"),
        ('"' + "{{ big }}" * 11 + '"', "larger than"),
        ('"{{ ((many | map("tojson") | list)[:10] | join) ~ big }}"', "more than"),
        ("{{ [[1], [2]] | sum(start=[]) }}", "adds numbers"),
        ("{{ 1.5 | round(400) }}", "at most 15 digits"),
        ("{{ 1.5 | round(0, 'up') }}", "at most 15 digits"),
        ("{{ 9223372036854775807 * 4 }}", "more than 64 bits"),
        ("{{ -9223372036854775807 - 9 }}", "more than 64 bits"),
        ("{{ 99999999999999999999 }}", "not valid JSON"),
    ],
)  # fmt: skip
def test_nothing_grows_beyond_its_limit(source: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse("t", source).render(CONTEXT)

    assert words in str(caught.value)


def test_a_text_larger_than_a_document_is_refused_before_it_is_escaped() -> None:
    with pytest.raises(TemplateError, match="truncate it"):
        Template.parse("t", '"{{ v }}"').render({"v": "a" * (SIZE + 1)})


def test_a_document_is_measured_in_bytes() -> None:
    with pytest.raises(TemplateError, match="larger than"):
        Template.parse("t", '"{{ v }}"').render({"v": "é" * (SIZE - 10)})


DEEP = [
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{% for a in v %}" * 30 + "{% endfor %}" * 30,
    "{% if v %}" * 300 + "{% endif %}" * 300,
    "{{ v" + "[0]" * 20_000 + " }}",
]


@pytest.mark.parametrize("source", DEEP, ids=range(len(DEEP)))
def test_what_is_nested_too_deep_for_python_is_refused(source: str) -> None:
    with pytest.raises(TemplateError, match="nested too deep"):
        Template.parse("t", source)


@pytest.mark.parametrize("number", ["9" * 4301, "0x" + "f" * 9000])
def test_a_number_with_more_digits_than_python_reads_is_refused(number: str) -> None:
    with pytest.raises(TemplateError, match="template t: line 2: a number has too many digits"):
        Template.parse("t", f'{{"a":\n{{{{ {number} }}}}}}')


def test_documents_nested_too_deep_are_refused() -> None:
    with pytest.raises(TemplateError, match="not valid JSON"):
        Template.parse("t", "[" * 5000 + "]" * 5000).render({})


def test_every_filter_can_be_paid_for() -> None:
    sandbox = Sandbox(all_filters())

    assert {paid(name) for name in all_filters()} <= sandbox.filters.keys()


@pytest.mark.parametrize(
    ("filter_", "value"),
    [("map('upper')", ["A"]), ("select", ["a"]), ("join(',')", "a"), ("sort", ["a"]), ("length", 1), ("first", "a")],
)
def test_a_filter_does_the_same_inside_a_loop_and_outside(filter_: str, value: object) -> None:
    """Inside it is the one that counts, whatever Jinja passes to it first."""
    one = Template.parse("t", f"{{{{ v | {filter_} }}}}").render({"v": ["a"]}).body
    other = Template.parse("t", f"{{% for _x in [1] %}}{{{{ v | {filter_} }}}}{{% endfor %}}".replace("_x", "x"))

    assert one == other.render({"v": ["a"]}).body
    assert one.strip() == Template.parse("t", "{{ v }}", Markup.NONE).render({"v": value}).body.strip()


def test_a_price_is_never_nothing() -> None:
    assert price(0) == 1
    assert price(160) == 11


def test_paying_counts_what_is_taken_and_what_is_made() -> None:
    sandbox = Sandbox({"twice": lambda text: text * 2})
    context = sandbox.context({})
    before = context[BUDGET].left
    charged(lambda text: text * 2)(context, "a" * 10_240)

    assert before - context[BUDGET].left == 1 + 10 + 20


def test_a_list_costs_what_is_in_it() -> None:
    sandbox = Sandbox({})
    context = sandbox.context({})
    before = context[BUDGET].left
    charged(lambda _: None)(context, [{"a": "x" * 10_240}, ["y" * 1024] * 15])

    assert before - context[BUDGET].left == 1 + 10 + 15 + 1


@pytest.mark.parametrize(
    "named",
    [
        "[[1]] | map('__bounded', -1000000000)",
        "['token'] | map('__secret')",
        "['a'] | map('__weighed_upper')",
        "[1] | select('__paid_odd')",
        "[{'a': 1}] | selectattr('a', '__paid_odd')",
    ],
)
def test_names_that_only_we_say_are_nobody_s_to_say(named: str) -> None:
    """A loop that paid itself need not end, and a place of a secret could stand anywhere."""
    with pytest.raises(TemplateError, match=r'there is no "__\w+" for templates'):
        Template.parse("t", f"{{{{ {named} | list | length }}}}").render({})


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "body",
    [
        "{% set b = big ~ big %}{{ (" + " ~ ".join(["b"] * 3000) + ") | length }}",
        "{% set b = big ~ big %}{{ range(1000) | map(attribute='x', default=b) }}",
        "{% set b = big ~ big %}{{ range(1000) | map(attribute='x', default=[b, b]) | list }}",
    ],
    ids=["joined", "a default", "a list as default"],
)
def test_what_would_be_much_too_large_is_not_made_first(body: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError, match="makes a value of more than"):
            Template.parse("t", body).render(CONTEXT)
        assert tracemalloc.get_traced_memory()[1] < 32 * SIZE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{{ big | trim(big) }}", "at most 256 characters"),
        ("{{ [v] | map(attribute=path) | list }}", "more than 32 names"),
        ("{{ [v] | sort(attribute=path) }}", "more than 32 names"),
        ("{{ [v] | sort(false, false, path) }}", "more than 32 names"),
        ("{{ [v] | unique(false, path) }}", "more than 32 names"),
        ("{{ [v] | groupby(path) }}", "more than 32 names"),
        ("{{ [v] | sum(path) }}", "more than 32 names"),
        ("{{ [v] | max(false, path) }}", "more than 32 names"),
        ("{{ [v] | join('', path) }}", "more than 32 names"),
        ("{{ [v] | selectattr(path) | list }}", "more than 32 names"),
    ],
)
def test_what_costs_much_in_one_step_is_refused(body: str, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        Template.parse("t", body).render({**CONTEXT, "path": "a" + ".a" * 40})


def test_a_separator_may_have_many_dots() -> None:
    assert Template.parse("t", "\"{{ ['a', 'b'] | join(dots) }}\"").render({"dots": "." * 40}).value == f"a{'.' * 40}b"


@pytest.mark.parametrize("text", ["9" * 300, "-" + "9" * 300, str(2**64)])
def test_whole_numbers_are_those_that_json_has(text: str) -> None:
    """A division by one of a million digits takes seconds."""
    assert Template.parse("t", "{{ text | int(7) }}").render({"text": text}).value == 7
    assert Template.parse("t", "{{ text | int }}").render({"text": str(2**64 - 1)}).value == 2**64 - 1


@pytest.mark.no_cover
def test_what_a_loop_compares_is_paid_for() -> None:
    template = Template.parse("t", "{% for a in range(9999) %}{% if loop.changed(many) %}{% endif %}{% endfor %}1")
    with pytest.raises(TemplateError, match=f"takes more than {STEPS} steps"):
        template.render(CONTEXT)
