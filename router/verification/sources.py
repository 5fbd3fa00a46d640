"""What is trusted, as a value of the configuration: a text, or the name of a file, with what was read there.

Keys, certificates and trusted roots are named in the same way, so there is one kind of value for all of them. Rules:

(1) A file is read through the configuration's own reading, once and bounded, so that a change of it is noticed and
    nothing can fail later. What can't be used is told at its place, with the words of whoever reads it.
(2) A value is shown and written again as it stood in the configuration, never as what was read there.
(3) How it is read is told by annotation: `Annotated[Source[PublicKey], Reading(...)]`. The annotation makes the schema
    itself, so that pydantic does not look for one in the values: that took most of the time that settings of verifiers
    cost at the start.

What names a value and until when it is good is the trust's that is made of it (`router.verification.trust`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.by_reference import read_reference, shown_file

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """Where something trusted stands, with what was read there."""

    written: str
    """The text itself, or the path of the file, as it stands in the configuration."""
    value: T | None
    """None only where a file could not be looked at: no reading context (schemas, settings built by hand)."""


@dataclass(frozen=True, slots=True)
class SourceReading(Generic[T]):
    """How a source is read: the annotation of its field."""

    read: Callable[[bytes], T]
    """Raises ValueError, whose text follows the place: `holds no certificate`."""
    asks: str
    """What to write, where something else was."""
    pattern: str | None = None
    """What is in the text, as an expression, where the thing itself stands there."""
    file: str | None = None
    """What the file is, in messages: `the key file`. None: the thing itself stands there, and no path."""
    example: str | None = None
    """The name of such a file."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A value of its own (3)."""
        shown = core_schema.plain_serializer_function_ser_schema(_as_written)
        return core_schema.with_info_plain_validator_function(self._source, serialization=shown)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A text."""
        if self.file is None:
            return {"type": "string", "pattern": self.pattern}
        return {"type": "string", "minLength": 1, "examples": [self.example]}

    def _source(self, written: object, info: ValidationInfo) -> Source[T]:
        if isinstance(written, Source):
            return written
        if self.file is None:
            if not isinstance(written, str):
                raise ValueError(self.asks)
            return Source(written, self._value(written.encode(), "the text"))
        if not isinstance(written, str | Path) or not str(written):
            raise ValueError(self.asks)
        content = read_reference(Path(written), info, self.file)
        place = f"{self.file} {shown_file(Path(written))}"
        return Source(str(written), None if content is None else self._value(content, place))

    def _value(self, content: bytes, place: str) -> T:
        try:
            return self.read(content)
        except ValueError as error:
            raise ValueError(f"{place} {error}") from error


def _as_written(source: Source[object]) -> str:
    return source.written
