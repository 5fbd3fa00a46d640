"""Every fuzz target holds for its corpus and for some thousand cheap changes of it; `make fuzz` tries many more."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator

import pytest

from tests.fuzz.__main__ import main
from tests.fuzz.proofs import PROOFS
from tests.fuzz.readers import READERS, targets
from tests.fuzz.target import FOUND, FindingError, Target, fields_of, framed

CHANGES = 300
"""Of each target."""


def changed(target: Target) -> Iterator[bytes]:
    dice = random.Random(target.name)  # noqa: S311 - the same changes each time
    for _ in range(CHANGES):
        data = bytearray(dice.choice(target.corpus))
        at = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + dice.randrange(1, 9)]
            case 3:
                data[at:at] = data[at : at + dice.randrange(1, 200)] * dice.randrange(1, 4)
            case _:
                other = dice.choice(target.corpus)
                data[at:] = other[min(at, len(other) - 1) :]
        yield bytes(data)


@pytest.mark.parametrize("target", [*PROOFS, *READERS], ids=lambda target: target.name)
def test_what_must_hold_holds_for_real_bytes_and_changed_ones(target: Target) -> None:
    for data in (*target.corpus, b"", *changed(target)):
        target.check(data)

    assert target.corpus
    assert bool(target.proven) == target.proves


def test_an_accepted_forgery_an_error_of_another_kind_and_long_work_are_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise no run could find anything."""

    def run(data: bytes) -> Iterator[bytes]:
        if data == b"bad":
            raise ZeroDivisionError
        if data == b"said":
            raise ValueError
        yield data

    target = Target("x", run, (ValueError,), lambda: [b"real"], proves=True)
    target.check(b"real")
    target.check(b"said")
    with pytest.raises(FindingError, match="accepted what nobody signed"):
        target.check(b"forged")
    with pytest.raises(ZeroDivisionError):
        target.check(b"bad")
    monkeypatch.setattr("tests.fuzz.target.SECONDS", -1.0)
    with pytest.raises(FindingError, match="took"):
        target.check(b"real")


def test_fields_are_read_as_they_were_written_and_lacking_ones_are_empty() -> None:
    assert fields_of(framed(b"a", b"b"), 2) == (b"a", b"b")
    assert fields_of(b"a", 3) == (b"a", b"", b"")


def test_whatever_was_found_belongs_to_a_target() -> None:
    assert {folder.name for folder in FOUND.glob("*") if folder.is_dir()} <= targets().keys()


def test_without_atheris_it_is_said_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert main([]) == 2
    assert "wheels for CPython 3.11 to 3.14 on Linux" in capsys.readouterr().err


def test_an_unknown_target_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())

    assert main(["nothing"]) == 2
    assert "cosign-payload" in capsys.readouterr().err
