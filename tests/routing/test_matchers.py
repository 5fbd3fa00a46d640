import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventData
from router.expressions import LENGTH
from router.routing import Matcher, Operator, field_paths, parse_matcher
from router.routing.fields import fields
from tests.routing.event import event, image


def holds(text: str, data: EventData) -> bool:
    return parse_matcher(text).compiled()(dict(data))


@pytest.mark.parametrize(
    "text",
    [
        "decision.would_reject = true",
        "decision.would_reject=true",
        '  decision.would_reject  =  "true"  ',
        "decision.would_reject != false",
        'request.namespace =~ "pay.*"',
        "request.namespace =~ pay.*",
        'request.namespace !~ "pay"',
        'request.namespace =~ "team-.*|payments"',
        'decision.break_glass = ""',
        'workload.owner.kind = ""',
        "request.user.groups = devs",
        "timings.gate_milliseconds = 1.25",
        "images.cached = false",
        'images.verdict =~ "uns.*"',
        'decision.message =~ "first.*second line"',
        'decision.message = "first line\\nsecond line"',
        "cluster = production-eu",
    ],
)
def test_matches(text: str) -> None:
    assert holds(text, event())


@pytest.mark.parametrize(
    "text",
    [
        "decision.would_reject = false",
        'request.namespace =~ "pay"',
        'request.namespace =~ "team-|pay"',
        'request.namespace !~ "pay.*"',
        "request.namespace = PAYMENTS",
        "request.user.groups = admins",
        "images.verdict = verified",
        "request.user.groups != devs",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not holds(text, event())


def test_one_image_suffices_to_match_and_one_suffices_to_deny() -> None:
    data = event(image("verified"), image("unsigned"))

    assert holds("images.verdict = unsigned", data)
    assert holds('images.verdict =~ "uns.*"', data)
    assert not holds("images.verdict != unsigned", data)
    assert not holds('images.verdict !~ "uns.*"', data)


def test_no_image_at_all_is_like_a_missing_value() -> None:
    """As in Alertmanager, where an absent label is an empty one."""
    data = event()
    data["images"] = []

    assert not holds("images.verdict = unsigned", data)
    assert holds("images.verdict != unsigned", data)
    assert holds('images.verdict = ""', data)
    assert holds('images.signers.name =~ ".*"', data)
    assert not holds('images.verdict != ""', data)


FIELDS = st.sampled_from(sorted(path for path in field_paths() if fields()[path] is None))


@given(FIELDS, st.sampled_from([Operator.IS, Operator.IS_NOT]), st.text())
def test_what_a_matcher_writes_reads_as_the_same_matcher(field: str, operator: Operator, value: str) -> None:
    matcher = Matcher(field, operator, value)

    assert parse_matcher(str(matcher)) == matcher


@given(FIELDS, st.sampled_from([Operator.LIKE, Operator.NOT_LIKE]), st.text(max_size=100).map(re.escape))
def test_the_same_holds_for_patterns(field: str, operator: Operator, value: str) -> None:
    matcher = Matcher(field, operator, value)

    assert parse_matcher(str(matcher)) == matcher


@given(st.text())
def test_any_text_is_a_matcher_or_refused_with_words(text: str) -> None:
    """Nothing else is ever raised: the loader of the configuration reports ValueError and only that."""
    try:
        matcher = parse_matcher(text)
    except ValueError as error:
        found = str(error)
    else:
        found = str(matcher)

    assert found


@given(st.text(alphabet="abc\n.é"), st.text(alphabet="abc\n.é"))
def test_a_negation_is_the_exact_opposite(value: str, wanted: str) -> None:
    data = event(namespace=value)

    is_there = Matcher("request.namespace", Operator.IS, wanted).compiled()(dict(data))
    is_like = Matcher("request.namespace", Operator.LIKE, re.escape(wanted)).compiled()(dict(data))

    assert is_there is is_like is (value == wanted)
    assert Matcher("request.namespace", Operator.IS_NOT, wanted).compiled()(dict(data)) is not is_there
    assert Matcher("request.namespace", Operator.NOT_LIKE, re.escape(wanted)).compiled()(dict(data)) is not is_like


def test_a_backslash_that_escapes_nothing_is_itself_so_that_patterns_read_as_written() -> None:
    assert parse_matcher(r'request.namespace =~ "team-\d+"').value == r"team-\d+"
    assert parse_matcher(r"request.namespace =~ team-\d+").value == r"team-\d+"
    assert parse_matcher(r'request.name = "a\"b\\c"').value == r'a"b\c'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write FIELD OPERATOR VALUE"),
        ("decision.would_reject", "such as decision.would_reject = true"),
        ("decision.would_reject true", "write FIELD OPERATOR VALUE"),
        ("= true", "write FIELD OPERATOR VALUE"),
        ("decision.would_reject == true", "a single ="),
        ("decision.would_reject > true", "one of = != =~ !~"),
        ("decision.would_reject ~= true", "~= is not a valid operator"),
        ("would_reject = true", 'did you mean "decision.would_reject"?'),
        ("event.decision.would_reject = true", 'did you mean "decision.would_reject"?'),
        ("request.user = alice", "expected one of request.user.groups, request.user.name"),
        ("zzz = 1", "the fields are cluster, "),
        ("request.namespace =", 'the empty one is written ""'),
        ("request.namespace = a b", "stands in double quotes"),
        ("request.namespace = a, cluster = b", "each matcher on its own"),
        ("request.namespace = 'a'", "stands in double quotes"),
        ('request.namespace = "a', "stands in double quotes"),
        ('request.namespace =~ "("', "not a valid regular expression"),
        ('request.namespace =~ "a{1001}"', "not a valid regular expression"),
        ('request.namespace =~ "(?!kube-).*"', "negative lookahead (?!...)"),
        ("request.namespace =~ " + "a" * (LENGTH + 1), "at most 1000"),
        ("decision.would_reject = True", 'did you mean "true"?'),
        ("decision.outcome = refused", 'is never "refused"'),
        ("images.verdict = bad", 'expected one of "", denied, exempt'),
        ("x" * 500 + " = 1", "..."),
    ],
)
def test_a_mistake_is_refused_with_what_to_write_instead(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_matcher(text)


def test_a_pattern_of_the_longest_length_is_taken() -> None:
    assert parse_matcher("request.namespace =~ " + "a" * LENGTH).value == "a" * LENGTH
