from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from router.fields import ReadingContext
from router.verification.sources import Source, SourceReading


def _number(content: bytes) -> int:
    try:
        return int(content)
    except ValueError as error:
        raise ValueError("holds no number") from error


INLINE = TypeAdapter(Annotated[Source[int], SourceReading(_number, "write a number", pattern="[0-9]+")])
FILE = TypeAdapter(
    Annotated[Source[int], SourceReading(_number, "name a file", file="the number file", example="number.txt")]
)


def context(**files: bytes) -> dict[str, ReadingContext]:
    """A folder with these files."""

    def read(path: Path, _: int) -> bytes:
        if path.name not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path.name]

    return {"reading": ReadingContext(Path("/configuration"), {}, read)}


def test_what_a_file_holds_is_read_once_and_shown_as_it_was_written() -> None:
    """A value that was taken over from an earlier reading is never looked for again."""
    found = FILE.validate_python("seven", context=context(seven=b"7"))

    assert found == Source("seven", 7)
    assert FILE.validate_python(found, context=context()) is found
    assert FILE.dump_json(found) == b'"seven"'


def test_without_a_reading_context_a_file_is_not_looked_at() -> None:
    assert FILE.validate_python("seven") == Source("seven", None)


def test_a_text_is_read_where_it_stands() -> None:
    assert INLINE.validate_python("7") == Source("7", 7)


@pytest.mark.parametrize(
    ("adapter", "written", "words"),
    [
        (INLINE, "x", "the text holds no number"),
        (INLINE, 7, "write a number"),
        (FILE, "letters", 'the number file "letters" holds no number'),
        (FILE, "absent", 'the number file "absent" can\'t be read: No such file or directory'),
        (FILE, "", "name a file"),
        (FILE, ["seven"], "name a file"),
    ],
)
def test_what_can_not_be_used_is_told_with_its_place(
    adapter: TypeAdapter[Source[int]], written: object, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter.validate_python(written, context=context(letters=b"x"))


def test_the_schema_says_what_to_write() -> None:
    assert INLINE.json_schema() == {"type": "string", "pattern": "[0-9]+"}
    assert FILE.json_schema() == {"type": "string", "minLength": 1, "examples": ["number.txt"]}
