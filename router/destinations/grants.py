"""What an authorization server is asked for, and what its answer means (OAuth 2.0). Pure.

Sources: RFC 6749, clauses 4.4 (client credentials), 5.1 and 5.2; RFC 7523, clause 2.2 (a JWT in place of the secret).
What is asked by a JWT of our own (clause 2.1) is in `service_accounts`.

Rules:
(1) A token is used until a little before its time, half of it at least. Without `expires_in` it lives a minute.
(2) The server refuses us by any 4xx but those that may pass: the destination pauses until somebody mends its
    credentials. Everything else may pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlencode

import orjson

from router.destinations.dialect import WORTH_ANOTHER_TRY, Post, Reply, is_success
from router.destinations.outcome import TryAgain

NO_TOKEN = "no_token"  # noqa: S105 - the code of an outcome
USUAL_LIFE, LONGEST_LIFE, MARGIN = 60.0, 86_400.0, 60.0
"""Seconds that a token lives which says nothing, at most, and before whose end it is forgotten."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VISIBLE = re.compile(r"[!-~]{1,16384}", re.ASCII)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PROOFS = ("client_secret", "client_assertion", "assertion")


class TokenGrant(Protocol):
    """What an authorization server grants us tokens for."""

    @property
    def url(self) -> str:
        """Its token endpoint."""

    @property
    def file(self) -> Path | None:
        """What is read for each call, since somebody else renews it; None where nothing is."""

    def request(self, content: str | None, now: float) -> Post:
        """The call at this time (seconds since 1970), with the content of that file.

        Raises:
            ValueError: That is no token.
        """


def proofs_in(request: Post) -> frozenset[str]:
    """What we prove ourselves by in a call: nobody else may see it, and the server may repeat it."""
    told = parse_qs(request.body.decode("ascii"))
    return frozenset(value for name in _PROOFS for value in told.get(name, ()))


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Tokens are granted for a secret, or for a JWT in its place."""

    url: str
    """Its token endpoint."""
    client_id: str
    scope: str
    secret: str = field(default="", repr=False)
    """What we prove ourselves by."""
    file: Path | None = None
    """In its place, a file with a JWT about us, which somebody else renews."""

    def request(self, content: str | None, now: float) -> Post:  # noqa: ARG002 - the secret is of any time
        """The call, with the content of that file; raises ValueError where that is no token."""
        told = {"grant_type": "client_credentials", "client_id": self.client_id, "scope": self.scope}
        if content is None:
            told["client_secret"] = self.secret
        elif _VISIBLE.fullmatch(content):
            told |= {"client_assertion_type": _ASSERTION, "client_assertion": content}
        else:
            raise ValueError("the assertion is no token")
        body = urlencode(told).encode("ascii")
        return Post(body, FORM, url=self.url)


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
