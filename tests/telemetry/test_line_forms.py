"""What stands in a line is chosen by whoever deploys, pushes or reaches the port; its shape never is."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.telemetry.line_forms import LINE_LIMIT, PROBLEMS, Columns, Form, as_json, unfailing

JSON, COLUMNS = unfailing(as_json), unfailing(Columns(colours=False))
FORMS = [JSON, COLUMNS]
ODD_TEXTS = st.text(st.characters(), max_size=60)  # control characters and lone surrogates are among them
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXTS | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXTS | st.integers(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1).filter(lambda name: name != PROBLEMS)
"""Of values that stand within their line."""
BAD = {"Cc", "Cf", "Cs", "Zl", "Zp"}
ESCAPE, OVERRIDE, LINE_SEPARATOR = "\x1b[2J", "\u202e", "\u2028"


class Unshowable:
    """Its text fails."""

    def __str__(self) -> str:
        raise RecursionError("again")


def endless() -> object:
    """A list that holds itself."""
    found: list[object] = []
    found.append(found)
    return found


def big_number_in_a_message() -> Exception:
    """An exception whose own text fails."""
    return ValueError(Unshowable())


@pytest.mark.parametrize("form", FORMS)
@given(values=st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_values_make_one_line_of_utf_8(form: Form, values: dict[str, object]) -> None:
    """Collectors cut at line feeds; one that an attacker wrote would be a line of theirs."""
    line = form({"event": "x", "level": "info", "timestamp": "t", **values})
    text = line.decode()

    assert text.endswith("\n")
    assert not [character for character in text[:-1] if unicodedata.category(character) in BAD]
    assert len(line) <= LINE_LIMIT


def test_problems_stand_beneath_their_line_each_on_its_own() -> None:
    line = COLUMNS({"event": "x", "level": "error", "timestamp": "t", "problems": ["one is wrong", "so is \x1b[2J"]})

    assert line.decode().splitlines()[1:] == ["    | one is wrong", "    | so is \\u001b[2J"]


@given(value=VALUES)
def test_json_says_to_a_reader_what_was_logged(value: object) -> None:
    """Escapes are for terminals; a reader of JSON gets the text itself."""
    line = json.loads(JSON({"event": "x", "value": value}))

    if isinstance(value, str) and value.isprintable():
        assert line["value"] == value
    assert line["event"] == "x"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value",
    ["\ud800", 10**5000, -(2**70), Unshowable(), endless(), {"a": {1: "\udfff"}}, b"\xff" * 99, float("nan"), {1, 2}],
    ids=["surrogate", "huge", "large", "unshowable", "endless", "nested", "bytes", "nan", "set"],
)
def test_a_value_that_json_can_not_hold_is_told_nevertheless(form: Form, value: object) -> None:
    """One of these in a request must neither raise nor hide the decision that the line is about."""
    line = form({"event": "request_decided", "value": value, "outcome": "rejected"}).decode()

    assert "rejected" in line
    assert "log_line_failed" not in line


@pytest.mark.parametrize("form", FORMS)
def test_a_huge_value_is_cut_and_hides_nothing_beside_it(form: Form) -> None:
    """Whoever chooses a namespace of megabytes does not choose what the line says of the outcome."""
    line = form(
        {"event": "request_decided", "namespace": "n" * 14_000_000, "many": ["x"] * 1_000_000, "outcome": "rejected"}
    )

    assert len(line) <= LINE_LIMIT
    assert b"14000000 characters" in line
    assert b"more)" in line
    assert b"rejected" in line


@pytest.mark.parametrize("form", FORMS)
def test_a_line_whose_escapes_are_long_is_bounded_too(form: Form) -> None:
    """A character takes up to twelve bytes once it is escaped."""
    values = {f"value_{number}": "\U000e0001" * 5000 for number in range(15)}

    assert len(form({"event": "x", "outcome": "rejected", **values})) <= LINE_LIMIT


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hostile", [ESCAPE, OVERRIDE, LINE_SEPARATOR, "\n", "\r", "\x9b2J", "\x7f"], ids=ascii)
def test_a_terminal_is_shown_no_character_that_could_steer_it(form: Form, hostile: str) -> None:
    """Operators read logs in terminals: an image name must not clear the screen or turn the text around."""
    line = form({"event": "x", "image": f"a{hostile}b", "list": [f"a{hostile}b"], "map": {f"a{hostile}b": 1}})

    assert hostile not in line.decode()[:-1]


def test_a_value_in_columns_can_not_look_like_another_one() -> None:
    line = COLUMNS({"event": "x", "uid": '1" outcome=admitted', "outcome": "rejected"}).decode()

    assert "uid='1\" outcome=admitted'" in line


def raised(error: Exception) -> Exception:
    """The exception with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_traceback_in_columns_can_not_forge_a_line() -> None:
    """The text of an exception is often what somebody sent."""
    error = raised(ValueError("x\n2026-01-01 [info     ] request_decided outcome=admitted\x1b[2J"))
    first, *others = COLUMNS({"event": "failed", "exc_info": error}).decode().splitlines()

    assert "failed" in first
    assert others
    assert all(line.startswith("    | ") for line in others)
    assert not any("\x1b" in line for line in others)


@pytest.mark.parametrize("form", FORMS)
def test_a_long_traceback_keeps_its_end(form: Form) -> None:
    """The last line names the cause."""
    error = raised(ValueError("m" * 1_000_000 + " the cause"))
    line = form({"event": "failed", "exc_info": (type(error), error, error.__traceback__)}).decode()

    assert len(line.encode()) <= LINE_LIMIT
    assert "the cause" in line
    assert "Traceback" in line


def test_the_exception_being_handled_is_meant_by_true() -> None:
    try:
        dict[str, int]()["lost"]
    except KeyError:
        line = json.loads(JSON({"event": "failed", "exc_info": True}))

    assert line["exception"].endswith("KeyError: 'lost'")


@pytest.mark.parametrize("nothing", [None, False, (None, None, None)])
def test_no_exception_is_no_traceback(nothing: object) -> None:
    assert "exception" not in json.loads(JSON({"event": "x", "exc_info": nothing}))


def test_an_exception_that_can_not_be_shown_is_told_by_its_name() -> None:
    line = json.loads(JSON({"event": "failed", "exc_info": raised(big_number_in_a_message())}))

    assert "ValueError" in line["exception"]


def test_an_exception_that_python_itself_can_not_show_costs_no_value_of_its_line() -> None:
    """`traceback` fails for a mistake of syntax whose place is none, as libraries make it."""
    odd = SyntaxError("odd", ("file", 1, "no column", "text"))  # type: ignore[arg-type]  # that is what is odd
    line = json.loads(JSON({"event": "failed", "uid": "one", "exc_info": odd}))

    assert (line["event"], line["uid"]) == ("failed", "one")
    assert line["exception"] == "SyntaxError (its traceback can't be shown)"


def test_a_form_that_fails_is_told_in_place_of_the_line() -> None:
    def failing(_: object) -> bytes:
        raise MemoryError

    line = json.loads(unfailing(failing)({"event": "request_decided\n", "timestamp": "t"}))
    assert line == {
        "line": "request_decided\n",
        "cause": "MemoryError",
        "event": "log_line_failed",
        "level": "error",
        "timestamp": "t",
    }


def test_what_is_deep_is_told_by_its_size() -> None:
    deep: object = [1, 2, 3]
    for _ in range(20):
        deep = [deep]

    assert "a list of 1 items" in JSON({"event": "x", "deep": deep}).decode()


class Changing(dict[str, int]):
    """A mapping that another thread changes while it is read."""

    def items(self) -> Iterator[tuple[str, int]]:  # type: ignore[override]  # a double
        """Fail as Python does."""
        raise RuntimeError("dictionary changed size during iteration")


def test_a_value_that_changes_meanwhile_ends_nothing() -> None:
    assert b"log_line_failed" in JSON({"event": "x", "value": Changing()})
