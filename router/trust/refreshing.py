"""When trusted roots are refreshed, and what becomes of what is found. In the keeper, off the path of every request.

For each repository that a verifier needs, one after the other:
(1) What was kept is told first, where it holds and is not older than what came with the package.
(2) It is asked when its last answer is as old as its settings say (at once, where there was none), and `RETRY` seconds
    after it failed. Nobody waits for it: not the start, not a reload.
(3) What is found is told where it differs from what was told. A refresh that fails changes nothing: it is a trouble,
    told in the log when it begins and once a day, until one succeeds. It never fails health: clusters that reach
    nothing outside are well.
(4) What is known is data with a date, that of the package where it was never confirmed since: older than `OLD`, it is
    told of once a day.
(5) Without repositories nothing of it runs, and python-tuf is not even imported.
(6) What nobody expected is told with its stack, and is a failure like others: the keeper goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from router.errors import ConfigurationError, TrustRefreshError
from router.telemetry.causes import Cause, Troubles
from router.telemetry.going_on import awaited_or_else
from router.telemetry.logs import logger
from router.trust.downloads import Downloads
from router.trust.kept import KeptRoot
from router.verification.repositories import Repository

log = logger()

TRUST = "trust"
"""The folder, beside the outbox, in which what repositories say is kept."""
RETRY = 3600.0
"""Seconds after a refresh that failed, unless the settings ask for more haste."""
PATIENCE = 120.0
"""Seconds that one refresh may take."""
OLD = 365 * 86400.0
"""Seconds after which a root that nobody has confirmed is told of."""
_DAY = 86400.0


class Repositories:
    """Where trusted roots come from: asks repositories, and keeps what they say in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def kept(self, repository: Repository) -> KeptRoot | None:
        """What was kept of it, where that holds."""
        return await asyncio.to_thread(self._kept, repository)

    def _kept(self, repository: Repository) -> KeptRoot | None:
        from router.trust import keeping  # noqa: PLC0415 - imports python-tuf, which only those need who have repositories

        try:
            return keeping.kept(self._folder, repository)
        except keeping.NothingKeptError as error:
            log.info("trust_not_kept", root=repository.name, cause=str(error))
            return None

    async def refreshed(self, repository: Repository) -> KeptRoot:
        """What it says now; raises TrustRefreshError."""
        loop = asyncio.get_running_loop()
        try:
            downloads = Downloads(repository.authorities, os.environ, loop.time() + PATIENCE)
        except ConfigurationError as error:  # a variable names no proxy
            raise TrustRefreshError(str(error), cause="unreachable") from error
        async with downloads:
            return await asyncio.to_thread(self._refreshed, repository, downloads, loop)

    def _refreshed(self, repository: Repository, downloads: Downloads, loop: asyncio.AbstractEventLoop) -> KeptRoot:
        from router.trust.updating import update  # noqa: PLC0415 - as above

        return update(repository, self._folder, downloads.get, loop)


Announce = Callable[[Repository, bytes], bool]
"""Tells whoever judges what a repository holds now; whether that went."""


@dataclass(slots=True)
class _Care:
    """One repository that is looked after. Times without a word are those of the running loop."""

    repository: Repository
    due: float
    """When it is asked."""
    is_recalled: bool = False
    """Whether what was kept of it has been read; that comes first."""
    confirmed_at: float | None = None
    """In Unix time."""
    body: bytes = b""
    """What was told last."""
    failure_logged_at: float | None = None
    """None while there is none."""
    age_logged_at: float | None = None
    """None while it is young enough."""

    @property
    def next(self) -> float:
        """When there is something to do."""
        return self.due if self.is_recalled else -math.inf

    def pause(self) -> float:
        """Seconds from a failure to the next attempt."""
        return min(RETRY, self.repository.every)


class Refreshing:
    """Looks after trusted roots.

    Args:
        source: Where they come from.
        announce: Tells whoever judges.
        troubles: Is told what is wrong.
        now: Unix time in seconds.
    """

    def __init__(
        self, source: Repositories, announce: Announce, troubles: Troubles, now: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._announce = announce
        self._troubles = troubles
        self._now = now
        self._cares: dict[str, _Care] = {}
        self._has_changed = asyncio.Event()

    def replace(self, repositories: Sequence[Repository]) -> None:
        """Look after these from now on; what is kept of each is read again: somebody may have refreshed it by hand."""
        moment = asyncio.get_running_loop().time()
        before, self._cares = self._cares, {}
        for repository in repositories:
            known = before.pop(repository.id) if repository.id in before else _Care(repository, moment)
            care = self._cares[repository.id] = known
            care.repository, care.is_recalled = repository, False
            care.due = min(care.due, moment + repository.every)
        for care in before.values():
            self._over(care, Cause.TRUST_REFRESH_FAILED, Cause.TRUST_STALE)
        self._has_changed.set()

    async def run(self) -> None:
        """Do it, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._has_changed.clear()
            care = min(self._cares.values(), key=lambda one: one.next, default=None)
            if care is None or care.next > loop.time():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(None if care is None else care.next):
                        await self._has_changed.wait()
            elif care.is_recalled:
                await self._refresh(care)
            else:
                await self._recall(care)

    async def _recall(self, care: _Care) -> None:
        """Tell what was kept (1), and say when to ask (2)."""
        care.is_recalled = True
        repository = care.repository
        recall = partial(self._source.kept, repository)
        found = await awaited_or_else(recall, _nothing_kept, "trust_recall_broke", root=repository.name)  # (6)
        if found is not None and found.confirmed_at > max(care.confirmed_at or 0.0, repository.shipped_at or 0.0):
            self._take(care, found)
            age = max(0.0, self._now() - found.confirmed_at)
            care.due = asyncio.get_running_loop().time() + max(0.0, repository.every - age)

    async def _refresh(self, care: _Care) -> None:
        loop = asyncio.get_running_loop()
        found = await self._found(care.repository)
        if self._cares.get(care.repository.id) is not care:
            return  # nobody needs it any more
        if isinstance(found, TrustRefreshError):
            care.due = loop.time() + care.pause()
            self._failed(care, found)
        else:
            care.due = loop.time() + care.repository.every
            care.failure_logged_at = None
            self._over(care, Cause.TRUST_REFRESH_FAILED)
            self._take(care, found)
        self._warn_of_age(care)

    async def _found(self, repository: Repository) -> KeptRoot | TrustRefreshError:
        async def refreshed() -> KeptRoot | TrustRefreshError:
            try:
                return await self._source.refreshed(repository)
            except TrustRefreshError as error:
                return error

        return await awaited_or_else(refreshed, _broken, "trust_refresh_broke", root=repository.name)  # (6)

    def _take(self, care: _Care, found: KeptRoot) -> None:
        care.confirmed_at = found.confirmed_at
        if found.body != care.body and self._announce(care.repository, found.body):
            care.body = found.body

    def _failed(self, care: _Care, error: TrustRefreshError) -> None:
        moment, name = asyncio.get_running_loop().time(), care.repository.name
        self._troubles.trouble_began(Cause.TRUST_REFRESH_FAILED, name, str(error))
        if care.failure_logged_at is None or moment - care.failure_logged_at >= _DAY:
            care.failure_logged_at = moment
            log.warning(
                "trust_not_refreshed",
                root=name,
                cause=error.cause,
                problem=str(error),
                advice="what was known before goes on to count; `gatecrier trust show` says what that is",
            )

    def _warn_of_age(self, care: _Care) -> None:
        moment = asyncio.get_running_loop().time()
        known_since = max(care.confirmed_at or 0.0, care.repository.shipped_at or 0.0)
        if not known_since or self._now() - known_since < OLD:
            care.age_logged_at = None
            self._over(care, Cause.TRUST_STALE)
        elif care.age_logged_at is None or moment - care.age_logged_at >= _DAY:
            care.age_logged_at = moment
            name, days = care.repository.name, int((self._now() - known_since) / _DAY)
            self._troubles.trouble_began(Cause.TRUST_STALE, name, f"nobody has confirmed it for {days} days")
            log.warning(
                "trust_root_old",
                root=name,
                days=days,
                advice="let Gatecrier reach the repository, run `gatecrier trust refresh`, or upgrade Gatecrier",
            )

    def _over(self, care: _Care, *causes: Cause) -> None:
        for cause in causes:
            self._troubles.trouble_ended(cause, care.repository.name)


async def _nothing_kept() -> KeptRoot | None:
    return None


async def _broken() -> KeptRoot | TrustRefreshError:
    return TrustRefreshError("a mistake of ours, which the log has", cause="internal_error")
