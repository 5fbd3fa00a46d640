"""Asks for the evidence of one image, within its budget, and says what it means that something did not come.

What one image may take is spent so, over all places together (`router.verification.evidence` has the figures):

(1) A size is a claim: within the limit of one piece it says in what order is asked, never whether. What counts is
    what the registry says with its answer (`Content-Length`), or else what comes, and the digest decides. Only when
    that has proven that there is more than fits, what claims more than what is left is refused unasked.
(2) A question is asked once, whoever asks it and however often: verifiers that are combined share the questions about
    one image, and with them the budget. At most sixteen questions are in flight.
(3) What is promised to questions in flight may come back: who lacks it waits for that, so that where there is too
    much, what is nearest has the room. Not any more when claims were too high by 1 MiB together: then nobody waits for
    what may be lies, since whoever makes them could have all questions follow one another.

What goes wrong is part of what was found, so that a proof in one place holds whatever happens in the others:

- not there (404): nothing was found where a *tag* or list was asked for. A manifest or blob that is named by another
  and not there is a defect (`missing`): somebody says that there is more. So is one that the registry refuses by any
  other 4xx: whoever pushes chooses the name, and with it that answer. Not so 401, 403 and 429, which are about us,
  and 5xx, which is about the registry: they are gaps, and `router.verification.judgement` says what may be tolerated.
- beyond a limit: a defect (`too_many`, `too_large`). So is what is left near the deadline when more than a hundred
  questions were answered: then it is the amount that takes the time, and whoever pushes chooses it.
- all else: a gap, and the verdict will be `unverifiable` unless the rest is proof enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from router.errors import NotFoundError, RefusedQuestionError, TooLargeError, UnverifiableError
from router.images import Digest, ImageReference
from router.reasons import EvidenceFlaw
from router.registry import BodyRoom, ReferrerList, RegistryClient
from router.verification.evidence import ITEM_LIMIT, MANY, TOTAL_LIMIT, Evidence, defect

AT_ONCE = 16
LIES_LIMIT = 2**20
"""Bytes by which claims may be too high, together, before nobody waits for them any more."""
_HURRY = 0.9
"""The part of the time allowed after which what is left is too much, if it is much."""
TOO_LARGE = defect(EvidenceFlaw.TOO_LARGE, "parts of the evidence are too large, each by itself or together")
TOO_MANY = defect(EvidenceFlaw.TOO_MANY, "there is more evidence than is looked at")
_NOTHING = Evidence()
_MISSING = defect(EvidenceFlaw.MISSING, "a manifest or blob that the evidence names is not there")
_T = TypeVar("_T")


class Questions:
    """The questions about one image. Each answer is what came, or the evidence that nothing came.

    In flight they belong to no single search: what is still on its way when the context ends is dropped.
    """

    def __init__(
        self, registry: RegistryClient, image: ImageReference, deadline: float, total: int = TOTAL_LIMIT
    ) -> None:
        """Ask nothing yet; of what is named, `total` bytes may come."""
        self._registry = registry
        self._image = image
        self._deadline = deadline
        began = asyncio.get_running_loop().time()
        self._hurry = began + _HURRY * (deadline - began)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._answered = 0
        self._room = BodyRoom(total, ITEM_LIMIT)
        """What may come, whatever anybody claims."""
        self._left = total
        """The same, if those in flight bring what they claim."""
        self._promised = 0
        """Questions in flight that count."""
        self._lies = 0
        self._settled = asyncio.Event()
        self._asking: dict[Hashable, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        under_way = [task for task in self._asking.values() if not task.done()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)  # whoever waits was told already

    async def tag(self, tag: str, limit: int) -> bytes | Evidence:
        """The manifest behind a tag; no evidence where there is none."""

        async def ask() -> bytes:
            return (await self._registry.manifest(self._image, tag, self._deadline, limit)).body

        return await self._once((tag, limit), lambda: self._asked(ask))

    async def referrers(self, digest: Digest) -> ReferrerList | Evidence:
        """What the registry lists; no evidence where it has no such list."""
        ask = lambda: self._registry.referrers(self._image, digest, self._deadline)  # noqa: E731 - one line
        found = await self._once(("referrers", digest), lambda: self._asked(ask))
        return TOO_MANY if found is TOO_LARGE else found

    async def manifest(self, digest: Digest, size: int) -> bytes | Evidence:
        """A manifest that is named, of `size` bytes by claim."""

        async def ask() -> bytes:
            found = await self._registry.manifest(self._image, digest, self._deadline, self._room)
            return found.body

        if size > ITEM_LIMIT:
            return TOO_LARGE
        return await self._once(("manifest", digest), lambda: self._named(ask, size))

    async def blob(self, digest: Digest, size: int) -> bytes | Evidence:
        """A blob that is named, of `size` bytes by claim."""
        if size > ITEM_LIMIT:
            return TOO_LARGE
        ask = lambda: self._registry.blob(self._image, digest, self._deadline, self._room)  # noqa: E731 - one line
        return await self._once(("blob", digest), lambda: self._named(ask, size))

    async def _once(self, question: Hashable, ask: Callable[[], Coroutine[None, None, _T]]) -> _T:
        """The answer to a question that may have been asked already; whoever gives up waiting takes it from nobody."""
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(ask())
        return cast("_T", await asyncio.shield(asking))

    async def _named(self, ask: Callable[[], Awaitable[bytes]], size: int) -> bytes | Evidence:
        async def counted() -> bytes:
            while size > self._left and self._promised and self._lies < LIES_LIMIT:
                self._settled.clear()
                await self._settled.wait()
            if size > self._left and self._room.was_too_small:
                raise TooLargeError("there are no bytes left for it")
            with self._promise(size) as came:
                body = await ask()
                came.append(len(body))
                return body

        return await self._asked(counted, absent=_MISSING, refused=_MISSING)

    @contextlib.contextmanager
    def _promise(self, size: int) -> Iterator[list[int]]:
        """Set `size` bytes aside; in the end those that came are counted instead.

        What is too large counts with as much as it has at least, unless it is what did not fit by its own claim.
        """
        came: list[int] = []
        fits = size <= self._left
        self._left -= size
        self._promised += 1
        try:
            yield came
        except TooLargeError:
            if not self._room.was_too_small:
                self._room.spend(ITEM_LIMIT)
            if fits:
                came.append(ITEM_LIMIT)
            else:
                came.append(size)  # no lie, and
                self._left += size  # nothing that takes what is left from smaller ones
            raise
        finally:
            self._left += size - sum(came)
            self._lies += max(0, size - sum(came))
            self._promised -= 1
            self._settled.set()

    async def _asked(
        self, ask: Callable[[], Awaitable[_T]], absent: Evidence = _NOTHING, refused: Evidence | None = None
    ) -> _T | Evidence:
        """The answer, or what a missing or refused one means."""
        try:
            async with self._slots:
                if self._answered > MANY and asyncio.get_running_loop().time() >= self._hurry:
                    return TOO_MANY
                found = await ask()
                self._answered += 1
                return found
        except NotFoundError:
            self._answered += 1
            return absent
        except TooLargeError:
            return TOO_LARGE
        except UnverifiableError as error:
            if refused is not None and isinstance(error, RefusedQuestionError):
                return refused
            return Evidence(gaps=(error,))
