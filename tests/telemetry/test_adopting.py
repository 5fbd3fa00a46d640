"""What libraries and the interpreter say would otherwise wait for a reader that does not read."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from router.telemetry.adopting import _Records, adopting
from tests.simulators.log import Log


@pytest.fixture(autouse=True)
def _adopted(log: Log) -> Iterator[None]:  # noqa: ARG001 - lines must not leave the test
    with adopting():
        yield


def test_a_record_of_the_standard_library_is_a_line(log: Log) -> None:
    """The loop and the HTTP server log so; whoever reaches the port causes it."""
    try:
        int("x")
    except ValueError:
        logging.getLogger("somebody").exception("failed with %s", "this\nthat")

    (line,) = log.named("library_complained")
    assert (line["library"], line["text"], line["level"]) == ("somebody", "failed with this\nthat", "error")
    assert "ValueError: invalid literal" in line["exception"]


def test_records_of_one_kind_are_told_once_a_minute(log: Log) -> None:
    for number in range(1000):
        logging.getLogger("somebody").warning("odd request %d", number)

    assert len(log.named("library_complained")) == 1


def test_a_record_that_can_not_be_shown_reaches_nobody(log: Log) -> None:
    odd = logging.LogRecord("somebody", logging.WARNING, "", 1, "%d things", ("no number",), None)
    (ours,) = (found for found in logging.getLogger().handlers if isinstance(found, _Records))
    ours.handle(odd)  # pytest's own handlers raise for it

    assert "can't be shown" in log.named("library_complained")[0]["text"]


def test_information_of_libraries_is_not_written(log: Log) -> None:
    logging.getLogger("somebody").info("hello")

    assert log.text == ""


def test_a_warning_is_a_line(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)  # catch_warnings has put its own in place; take it again
        logging.captureWarnings(capture=True)
        warnings.warn("never awaited", RuntimeWarning, stacklevel=1)

    assert "never awaited" in log.named("library_complained")[0]["text"]


def test_an_exception_in_a_finalizer_is_a_line(log: Log) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    Failing()
    gc.collect()

    assert "in a finalizer" in log.named("exception_ignored")[0]["exception"]


def test_an_exception_that_ends_a_thread_is_a_line(log: Log) -> None:
    def fail() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    assert "in a thread" in log.named("thread_failed")[0]["exception"]


def test_what_is_printed_becomes_lines(log: Log) -> None:
    with adopting():  # once more: pytest puts a standard error of its own in place for each phase
        print("a\x1b[2J", "b", file=sys.stderr)  # noqa: T201 - the claim
        sys.stderr.write("half")
        sys.stderr.write(" whole\nrest")
        sys.stderr.flush()
        sys.stderr.write("x" * 5000)
        is_writable = sys.stderr.writable()

    assert [line["text"] for line in log.named("standard_error_written")] == [
        "a\x1b[2J b",
        "half whole",
        "rest" + "x" * 5000,
    ]
    assert is_writable
