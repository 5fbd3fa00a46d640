"""Headers that an operator adds to requests: which can be sent, and which are not theirs to set. Pure."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from router.by_reference import Secret, shown_name

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_LIKE_A_NAME = re.compile(r"[A-Za-z _-]{1,40}", re.ASCII)
"""What is repeated of one that is not valid: else it may be the whole header, with its secret."""
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,4096}", re.ASCII)
_OURS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "accept-encoding"}
)
_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect"})
"""Headers that would change how the exchange itself works (RFC 9110, clauses 7.6.1 and 10.1)."""


def checked_headers(headers: dict[str, str | Secret]) -> dict[str, str | Secret]:
    """Headers that can be sent as they are, raises ValueError otherwise."""
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header is named twice; names differ by more than their case")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            said = shown_name(name, _LIKE_A_NAME, "name")
            raise ValueError(f"{said} is not a valid name of a header; write the name alone as the key")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name!r} is set by Gatecrier")
        if name.lower() in _OF_A_CONNECTION:
            raise ValueError(f"the header {name!r} belongs to the connection and can't be set")
        if not _HEADER_VALUE.fullmatch(value if isinstance(value, str) else value.reveal()):
            raise ValueError(f"the value of the header {name!r} has characters that headers can't have")
    return headers


Headers: TypeAlias = Annotated[dict[str, str | Secret], AfterValidator(checked_headers), Field(max_length=50)]
"""Headers that an operator adds; a value may be a reference."""
