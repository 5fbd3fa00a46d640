"""What an answer of a registry means: its status as an error of ours, its body bounded, its digest checked.

Rules:

1. Worth trying again: no connection, 408, 429, 500, 502, 503, 504 and a body that breaks off (`TransientError`).
   `Retry-After` says when, in either form of RFC 9110, section 10.2.3.
2. Final: 401 and 403 (unauthorised), 404 and 410 (not found), every other 5xx (unreachable), every other 4xx (the
   question is refused), and whatever else is neither success nor redirect (malformed).
3. A digest is computed from the bytes. What a header says is compared with it, never believed instead of it.
4. Bodies of several questions may share a `BodyRoom`. What is declared is taken before anything is read, what is not
   declared as it comes; what does not come whole gives it back.

Texts of errors name the registry and the repository; never a URL, which may hold a signed query.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from multidict import CIMultiDictProxy

from router.errors import (
    InvalidReferenceError,
    MalformedAnswerError,
    NotFoundError,
    RateLimitedError,
    RefusedQuestionError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
    UnverifiableError,
)
from router.images import Digest
from router.outbound.retry_after import seconds_asked

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class TransientError(Exception):
    """Worth trying again; `error` is what to raise when there is no time for that. Never leaves this package."""

    def __init__(self, error: UnverifiableError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after
        """Seconds that the other side asks us to wait."""


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """A whole answer: the connection is free again."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    is_foreign: bool = False
    """It came from where a redirect led, not from the registry: its challenges are not ours to meet."""
    is_registrys: bool = True
    """Nobody but the registry, or whom it sends us to, can have written it: no proxy that sees what it passes on."""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; empty where there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class BodyRoom:
    """How many bytes of bodies may come in answer to several questions together, and of each of them."""

    def __init__(self, size: int, each: int | None = None) -> None:
        self.left = size
        self.was_too_small = False
        """Whether there is more than it has room for."""
        self._each = size if each is None else each

    def spend(self, size: int) -> None:
        """Count bytes that are known to be there although they do not come."""
        self.was_too_small |= size > self.left
        self.left = max(0, self.left - size)

    @contextlib.contextmanager
    def taking(self, what: str) -> Iterator[Callable[[int], None]]:
        """What to call with the size of one body, and again as it grows; raises TooLargeError where it has no room."""
        taken, is_whole = 0, False

        def take(size: int) -> None:
            nonlocal taken
            if size > self._each:
                raise TooLargeError(f"{what} has at least {size} bytes, more than {self._each}")
            more = max(0, size - taken)
            if more > self.left:
                self.was_too_small = True
                raise TooLargeError(f"{what} has at least {size} bytes, and there is no room for so many")
            self.left -= more
            taken += more

        try:
            yield take
            is_whole = True
        finally:
            if not is_whole:
                self.left += taken


BodyLimit: TypeAlias = int | BodyRoom
"""Bytes that a body may have: so many, or what is left of a room that it shares."""


async def read_bounded(
    read: Callable[[], Awaitable[bytes]], declared: str | None, limit: BodyLimit, what: str
) -> bytes:
    """Read until nothing comes.

    Raises:
        TooLargeError: More bytes than may come are declared, or have come.
    """
    told = int(declared[:20]) if declared is not None and declared.isascii() and declared.isdecimal() else 0
    chunks: list[bytes] = []
    size = 0
    with (limit if isinstance(limit, BodyRoom) else BodyRoom(limit)).taking(what) as take:
        take(told)
        while chunk := await read():
            size += len(chunk)
            take(size)
            chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def raise_transient(answer: RegistryAnswer, what: str, wall: float) -> None:
    """Raise TransientError where the status is worth trying again; `wall` is the time of day in seconds."""
    if answer.status not in _TRANSIENT:
        return
    text = f"{what}: the registry answers {answer.status}"
    kind = RateLimitedError if answer.status == 429 else UnreachableError  # noqa: PLR2004 - Too Many Requests
    error = kind(text, is_registrys_doing=answer.is_registrys)
    raise TransientError(error, seconds_asked(answer.headers.get("Retry-After"), wall))


def error_of(answer: RegistryAnswer, what: str) -> UnverifiableError:
    """The error that a status other than 200 stands for (rule 2)."""
    match answer.status:
        case 401 | 403:
            return UnauthorisedError(f"{what}: the registry answers {answer.status}")
        case 404 | 410:
            return NotFoundError(f"{what}: the registry says that it is not there ({answer.status})")
        case status if status >= 500:  # noqa: PLR2004 - the class of server errors
            return UnreachableError(f"{what}: the registry answers {status}", is_registrys_doing=answer.is_registrys)
        case status if status >= 400:  # noqa: PLR2004 - the class of client errors
            return RefusedQuestionError(f"{what}: the registry answers {status} and refuses the question")
        case status:
            return MalformedAnswerError(f"{what}: the registry answers {status}, which it should not")


def claimed_digest(answer: RegistryAnswer, what: str) -> Digest | None:
    """What `Docker-Content-Digest` says, None without one; raises MalformedAnswerError where it is none."""
    text = answer.headers.get("Docker-Content-Digest")
    if not text:
        return None
    try:
        return Digest.parse(text)
    except InvalidReferenceError as error:
        raise MalformedAnswerError(f"{what}: the registry's Docker-Content-Digest is none ({error})") from error


def checked_digest(answer: RegistryAnswer, expected: Digest | None, what: str) -> Digest:
    """The digest of the body: the one that was asked for, or the header's, or by SHA-256 (rule 3).

    Raises:
        MalformedAnswerError: The body has another digest than was asked for or is claimed.
    """
    digest = expected or claimed_digest(answer, what)
    if digest is None:
        return Digest.of(answer.body)
    if not digest.matches(answer.body):
        named = "asked for" if expected else "claimed"
        raise MalformedAnswerError(f"{what}: the registry's bytes are not those of the digest {named}, {digest}")
    return digest
