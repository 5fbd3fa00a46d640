"""Asks the collector.

Rules:
(1) Only who has the key of our webhook's certificate is asked, and is shown ours (`identity`).
(2) No proxy, no redirect, an answer of at most `LARGEST` bytes.
(3) What comes of it is a body, or a ReplicaError that says what is wrong and where.
(4) Who has asked has that before the connection is closed; it takes no longer than an answer may.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import aiohttp

from router.errors import ForbiddenAddressError, ReplicaError
from router.fields import ListenAddress
from router.outbound.addresses import AddressGuard
from router.outbound.resolving import GuardedResolver
from router.outbound.sessions import open_session
from router.replicas.exchange import CONTENT_TYPE, LARGEST
from router.replicas.identity import NAME, ReplicaIdentity
from router.text import one_line

KEEP_ALIVE = 60.0
"""Seconds that an idle connection is kept."""
OK = 200


class Calling:
    """Asks one collector; needs a running event loop.

    Args:
        collector: Where it answers.
        identity: What we show.
        patience: Seconds that an answer may take.
        at_once: How many questions may be asked at the same time; others wait for their turn.
    """

    def __init__(
        self, collector: ListenAddress, identity: ReplicaIdentity, patience: float, *, at_once: int = 1
    ) -> None:
        self._collector = collector
        self._patience = patience
        self._in_hand = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._resolver = GuardedResolver(AddressGuard())  # an operator has named it: it may be anywhere
        self._session = open_session(
            self._resolver,
            aiohttp.ClientTimeout(total=patience),
            connections=at_once,
            keep_alive=KEEP_ALIVE,
            tls=identity.asking(),
        )

    async def ask(self, path: str, body: bytes) -> bytes:
        """The answer; raises ReplicaError."""
        self._in_hand += 1
        self._is_idle.clear()
        try:
            return await self._asked(path, body)
        except TimeoutError as error:
            raise self._trouble("it does not answer in time") from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            advice = "do both have the same certificate in webhook.tls?"
            raise self._trouble(f"it is no replica of ours by its certificate; {advice}") from error
        except (aiohttp.ClientError, OSError, ForbiddenAddressError) as error:
            raise self._trouble(str(error) or type(error).__name__) from error
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._is_idle.set()

    async def close(self) -> None:
        """Close the connection once nobody waits for an answer; nobody may ask any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._is_idle.wait()
        await self._session.close()
        await self._resolver.close()

    async def _asked(self, path: str, body: bytes) -> bytes:
        async with self._session.post(
            f"https://{self._collector}{path}",
            data=body,
            headers={"Content-Type": CONTENT_TYPE},
            server_hostname=NAME,
            allow_redirects=False,
        ) as reply:
            answer = bytearray()
            async for part in reply.content.iter_chunked(2**16):
                answer += part
                if len(answer) > LARGEST:
                    raise self._trouble(f"its answer is larger than {LARGEST} bytes")
            if reply.status != OK:
                text = one_line(answer.decode(errors="replace").strip()[:200])
                raise self._trouble(f"it answers {reply.status}, {text}", reply.status)
            return bytes(answer)

    def _trouble(self, what: str, status: int | None = None) -> ReplicaError:
        return ReplicaError(f"the collector {self._collector} can't be asked: {what}", status=status)
