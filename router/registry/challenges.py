"""What a registry wants to see: the `WWW-Authenticate` header, read strictly.

Source: RFC 9110, section 11.6.1 (a list of challenges, each a scheme with parameters or a token68); distribution
specification, "Token Authentication" (`Bearer realm="...",service="...",scope="..."`).

A header that is not of this grammar is refused as a whole: guessing at a realm means guessing who gets credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from router.errors import MalformedAnswerError
from router.text import shown

HEADER_LIMIT = 8192
"""Characters of all such headers of one answer."""

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_WORD})(?:[ \t]+|(?=,)|\Z)", re.ASCII)
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\\x00-\x1f\x7f]|\\[ -~])*)"|({_WORD}))', re.ASCII)
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|\Z))", re.ASCII)
_COMMAS = re.compile(r"[ \t]*(?:,[ \t]*)+|[ \t]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Get a token at `realm` and come back with it."""

    realm: str
    service: str
    scope: str


@dataclass(frozen=True, slots=True)
class Basic:
    """Come back with user name and password."""


Challenge = Bearer | Basic


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge that we can meet, as ordered; other schemes are left out.

    Raises:
        MalformedAnswerError: A header breaks the grammar, or a Bearer challenge has no realm.
    """
    found: list[Challenge] = []
    for header in headers:
        if len(header) > HEADER_LIMIT:
            raise MalformedAnswerError(f"a WWW-Authenticate header of more than {HEADER_LIMIT} characters")
        for scheme, parameters in _challenges(header.strip(" \t")):
            if scheme == "basic":
                found.append(Basic())
            elif scheme == "bearer":
                if not (realm := parameters.get("realm", "")):
                    raise MalformedAnswerError("a Bearer challenge without a realm")
                found.append(Bearer(realm, parameters.get("service", ""), parameters.get("scope", "")))
    return tuple(found)


def _challenges(header: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        scheme = _SCHEME.match(header, at)
        if scheme is None:
            raise _broken()
        parameters: dict[str, str] = {}
        at = scheme.end()
        if (token68 := _TOKEN68.match(header, at)) and not _SCHEME.match(header, token68.end()):
            at = token68.end()
        else:
            at = _parameters(header, at, parameters)
        comma = _COMMAS.match(header, at)
        if comma is None:
            raise _broken()
        at = comma.end()
        found.append((scheme[1].lower(), parameters))
    return found


def _parameters(header: str, at: int, parameters: dict[str, str]) -> int:
    """Read `name=value` with commas between, until something else comes; returns where."""
    while match := _PARAMETER.match(header, at):
        name = match[1].lower()
        if name in parameters:
            raise MalformedAnswerError(f"a WWW-Authenticate header with {shown(name)} twice")
        parameters[name] = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        at = match.end()
        comma = _COMMAS.match(header, at)
        if comma is None or not _PARAMETER.match(header, comma.end()):
            return at
        at = comma.end()
    return at


def _broken() -> MalformedAnswerError:
    return MalformedAnswerError("a WWW-Authenticate header that breaks the grammar of RFC 9110")
