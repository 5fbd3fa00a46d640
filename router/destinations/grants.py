"""What an authorization server is asked for, and what its answer means (OAuth 2.0). Pure.

Sources: RFC 6749, clauses 4.4 (client credentials), 5.1 and 5.2; RFC 7523, clause 2.2 (a JWT in place of the secret).

Rules:
(1) A token is used until a little before its time, half of it at least. Without `expires_in` it lives a minute.
(2) The server refuses us by any 4xx but those that may pass: the destination pauses until somebody mends its
    credentials. Everything else may pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import orjson

from router.destinations.dialect import WORTH_ANOTHER_TRY, Post, Reply, is_success
from router.destinations.outcome import TryAgain

NO_TOKEN = "no_token"  # noqa: S105 - the code of an outcome
USUAL_LIFE, LONGEST_LIFE, MARGIN = 60.0, 86_400.0, 60.0
"""Seconds that a token lives which says nothing, at most, and before whose end it is forgotten."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VISIBLE = re.compile(r"[!-~]{1,16384}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """What an authorization server grants us tokens for."""

    url: str
    """Its token endpoint."""
    client_id: str
    scope: str
    secret: str = field(default="", repr=False)
    """What we prove ourselves by."""
    assertion: Path | None = None
    """In its place, a file with a JWT about us, which somebody else renews."""

    def request(self, assertion: str | None = None) -> Post:
        """The call, with the content of that file; raises ValueError where that is no token."""
        told = {"grant_type": "client_credentials", "client_id": self.client_id, "scope": self.scope}
        if assertion is None:
            told["client_secret"] = self.secret
        elif _VISIBLE.fullmatch(assertion):
            told |= {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
        else:
            raise ValueError("the assertion is no token")
        body = urlencode(told).encode("ascii")
        return Post(body, {"Content-Type": "application/x-www-form-urlencoded"}, url=self.url)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and until when it is used."""

    value: str = field(repr=False)
    expires: float
    """Seconds since 1970."""


def granted(reply: Reply, asked: float) -> AccessToken | TryAgain:
    """What an authorization server has granted, having been asked at that time (seconds since 1970); or why not."""
    if 400 <= reply.status < 500 and reply.status not in WORTH_ANOTHER_TRY:  # noqa: PLR2004 - RFC 6749, clause 5.2
        return TryAgain("unauthorised", pauses=True, status=reply.status, words=reply.text)
    if not is_success(reply.status):
        return TryAgain(NO_TOKEN, after=reply.asked_to_wait(), status=reply.status, words=reply.text)
    try:
        told = orjson.loads(reply.text)
    except ValueError:
        told = None
    value, life = (told.get("access_token"), told.get("expires_in")) if isinstance(told, dict) else (None, None)
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        return TryAgain(NO_TOKEN, status=reply.status)  # without its words: they may hold half a token
    seconds = _seconds(life)
    return AccessToken(value, asked + max(seconds - MARGIN, seconds / 2))


def _seconds(life: object) -> float:
    """How long a token lives; some say that as a text."""
    try:
        seconds = float(life) if isinstance(life, str | int | float) else USUAL_LIFE
    except ValueError:
        return USUAL_LIFE
    return min(seconds, LONGEST_LIFE) if seconds > 0 else USUAL_LIFE
