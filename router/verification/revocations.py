"""Asks whether certificates were revoked: by OCSP, and by a list where that says nothing that counts.

Rules:
(1) Only certificates of chains that lead to a trust store are asked about, and only where a verifier asks for it: no
    stranger makes us ask anybody.
(2) A certificate that names neither a responder nor a list can't be revoked, as the specification has it. Whatever goes
    wrong otherwise is `Unknown`, which is never good enough.
(3) Each exchange takes at most `PATIENCE` seconds, and all of it ends at the deadline of whoever asks. Sizes are
    bounded (`revocation_answers`), and answers are read in a thread.
(4) Answers are remembered until they run out, for a day at most, and failures for `AGAIN` seconds. One certificate, and
    one list, is asked for once at a time. What is remembered is bounded in number.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from cryptography.x509 import CertificateRevocationList

from router.outbound.fetching import FetchBody, FetchError, Fetching
from router.verification.revocation_answers import (
    LIST_LIMIT,
    OCSP_LIMIT,
    Places,
    UnusableAnswerError,
    in_list,
    ocsp_question,
    places_of,
    read_list,
    read_ocsp,
)
from router.verification.standing import CertificateStanding, Good, Issued, Revoked, Unknown

PATIENCE = 2.0
"""Seconds that one exchange may take."""
AGAIN = 10.0
"""Seconds after which a failure is tried again."""
LONGEST = 86400.0
"""Seconds that an answer is remembered at most."""
STANDINGS, LISTS = 4096, 4
"""Certificates, and lists, that are remembered."""
_QUESTION = "application/ocsp-request"
V = TypeVar("V")


class _Remembered(Generic[V]):
    """Values until they run out; each made by one at a time, the one that was unused for longest goes first."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most = most
        self._now = now
        self._values: OrderedDict[object, tuple[V, float]] = OrderedDict()
        self._turns: WeakValueDictionary[object, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: object, make: Callable[[], Awaitable[tuple[V, float]]]) -> V:
        """The value, and else what is made now, which comes with the Unix time at which it runs out."""
        if (turn := self._turns.get(key)) is None:
            turn = self._turns[key] = asyncio.Lock()
        async with turn:
            if (kept := self._values.get(key)) is None or kept[1] <= self._now():
                value, until = await make()
                kept = self._values[key] = value, min(until, self._now() + LONGEST)
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return kept[0]


class AskedRevocations:
    """Asks whether certificates still stand, and remembers the answers. Close it.

    Args:
        environment: Says which proxy is taken.
        now: Unix time in seconds.
    """

    def __init__(self, environment: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        self._environment = environment
        self._now = now
        self._standings: _Remembered[CertificateStanding] = _Remembered(STANDINGS, now)
        self._lists: _Remembered[tuple[CertificateRevocationList, float]] = _Remembered(LISTS, now)
        self._fetching: Fetching | None = None

    async def standing(self, issued: Issued, deadline: float) -> CertificateStanding:
        """Whether the certificate stands, by the deadline in the time of the running loop."""

        async def asked() -> tuple[CertificateStanding, float]:
            found = await self._asked(issued, deadline)
            return found, found.until

        try:
            async with asyncio.timeout_at(deadline):
                return await self._standings.get(issued, asked)
        except TimeoutError:
            return Unknown(self._now(), "nobody said in time whether a certificate was revoked")

    async def close(self) -> None:
        """Close every connection."""
        if self._fetching is not None:
            await self._fetching.close()

    async def _asked(self, issued: Issued, deadline: float) -> CertificateStanding:
        problems: list[str] = []
        try:
            places = places_of(issued)
        except UnusableAnswerError as error:
            return Unknown(self._now() + AGAIN, str(error))
        if places == Places(None, None):
            return Good()
        for place, ask in ((places.ocsp, self._by_ocsp), (places.crl, self._by_list)):
            if place is not None:
                try:
                    return await ask(place, issued, deadline)
                except (FetchError, UnusableAnswerError) as error:
                    problems.append(str(error))
        return Unknown(self._now() + AGAIN, "; ".join(problems))

    async def _by_ocsp(self, url: str, issued: Issued, deadline: float) -> Good | Revoked:
        question = FetchBody(ocsp_question(issued), _QUESTION)
        body = await self._opened().fetch(url, "the OCSP answer", OCSP_LIMIT, _until(deadline), question)
        return await asyncio.to_thread(read_ocsp, issued, body, self._now())

    async def _by_list(self, url: str, issued: Issued, deadline: float) -> Good | Revoked:
        async def fetched() -> tuple[tuple[CertificateRevocationList, float], float]:
            body = await self._opened().fetch(url, "the list of revoked certificates", LIST_LIMIT, _until(deadline))
            found, until = await asyncio.to_thread(read_list, body, issued.issuer, self._now())
            return (found, until), until

        found, until = await self._lists.get((url, issued.issuer), fetched)
        return await asyncio.to_thread(in_list, found, issued, until)

    def _opened(self) -> Fetching:
        if self._fetching is None:
            self._fetching = Fetching(self._environment)
        return self._fetching


def _until(deadline: float) -> float:
    return min(deadline, asyncio.get_running_loop().time() + PATIENCE)
