"""A request as API servers send it, read at a glance: one expression, no parser. Pure.

Rules:
(1) Plain is a POST of JSON to a path of letters, with `?timeout=` or no query at all, whose fields are of a closed
    list, none twice, `Content-Length` among them. There is nothing in it that could be read in two ways.
(2) What is plain, aiohttp reads the same; what is not is not refused here: it is aiohttp's to judge.
(3) It is bounded: a head by `FIELDS` lines of `VALUE` bytes, which is within what any listener takes.

Sources: RFC 9112 (clauses 3, 5, 6); Go's net/http and client-go, for what API servers send.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FIELDS, VALUE = 16, 1024
"""Lines of a head, and bytes of the value in each, at most."""

_LINES = rb"|".join(
    (
        rb"(?:Accept|Accept-Encoding|Audit-Id|Authorization|Baggage|Host|Traceparent|Tracestate|User-Agent): "
        rb"[ -~]{0,%d}" % VALUE,
        rb"Content-Type: application/json",
        rb"Content-Length: (?P<length>[0-9]{1,8})",
    )
)
_HEAD = re.compile(
    rb"POST (?P<path>/[a-z/]{1,64})(?:\?timeout=(?P<timeout>[0-9.hmnsu]{1,64}))? HTTP/1\.1\r\n"
    rb"(?P<fields>(?:(?:%b)\r\n){3,%d})\r\n" % (_LINES, FIELDS)
)
_NAME = re.compile(rb"(?m)^[A-Za-z-]+")
_NEEDED = frozenset({b"Content-Length", b"Content-Type", b"Host"})


class RequestHead(NamedTuple):
    """What the head of a plain request says."""

    path: str
    timeout: str
    """Of the query; empty where there is none."""
    size: int
    """Bytes of the head."""
    length: int
    """Bytes of the body."""


def read_head(data: bytes) -> RequestHead | None:
    """The head with which this begins; None where it is not plain, or has not come whole."""
    found = _HEAD.match(data)
    if found is None:
        return None
    names = _NAME.findall(found["fields"])
    if len(different := frozenset(names)) != len(names) or not different >= _NEEDED:
        return None
    path, timeout, length = found.group("path", "timeout", "length")
    return RequestHead(path.decode(), (timeout or b"").decode(), found.end(), int(length))
