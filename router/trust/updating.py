"""One refresh of one trusted root from its TUF repository, by python-tuf's client. Runs in a thread.

Source: The Update Framework specification 1.0, clause 5 ("Detailed client workflow"). python-tuf checks signatures,
thresholds, versions (nothing older than what is kept), expiry, lengths and hashes; here are bounds, the way out, and
what becomes of it:

(1) Metadata begins with what came with package or configuration, every time: what is kept only adds to it.
(2) `trusted_root.json` is a target of the repository's own `targets` role; delegated roles are not asked.
(3) python-tuf works in a folder for this once, with what was kept before. What it found is kept only when all of it is
    there, is vouched for once more (`keeping`), and can be used as a trusted root: a refresh that fails half way leaves
    nothing behind.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadError as TufDownloadError
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from router.errors import TrustRefreshError
from router.outbound.fetching import FetchError
from router.trust.downloads import LARGEST
from router.trust.keeping import (
    ROTATIONS,
    TARGET,
    NothingKeptError,
    RepositoryAnswer,
    believed,
    file_of,
    keep,
    recalled,
)
from router.trust.kept import KeptRoot
from router.verification.repositories import ROOT_LIMIT, Repository

_BOUNDS = UpdaterConfig(
    max_root_rotations=ROTATIONS,
    max_delegations=0,
    root_max_length=ROOT_LIMIT,
    snapshot_max_length=LARGEST,
    targets_max_length=LARGEST,
)

Get = Callable[[str], Awaitable[bytes]]
"""Gets the whole of a file by its URL; raises FetchError."""


class _OverLoop(FetcherInterface):
    """Has files fetched in the event loop, for a thread that waits."""

    def __init__(self, get: Get, loop: asyncio.AbstractEventLoop) -> None:
        self._get = get
        self._loop = loop

    def _fetch(self, url: str) -> Iterator[bytes]:
        async def got() -> bytes:
            return await self._get(url)

        try:
            return iter((asyncio.run_coroutine_threadsafe(got(), self._loop).result(),))
        except FetchError as error:
            if error.status is not None:
                raise DownloadHTTPError(str(error), error.status) from error
            raise TufDownloadError(str(error)) from error


def update(repository: Repository, folder: Path, get: Get, loop: asyncio.AbstractEventLoop) -> KeptRoot:
    """Refresh what is kept of a repository, and return it.

    Args:
        repository: What is asked.
        folder: Where it is kept; made where it is not there.
        get: Gets files, in the loop.
        loop: It.

    Raises:
        TrustRefreshError: What was kept before goes on to count.
    """
    path = file_of(folder, repository)
    try:
        with tempfile.TemporaryDirectory(prefix="gatecrier-tuf-") as desk:
            before = recalled(path)
            if before is not None:
                before.put_into(Path(desk))
            _update(repository, Path(desk), _OverLoop(get, loop))
            said = RepositoryAnswer.in_folder(Path(desk), time.time())
        found = believed(said, repository)
        keep(path, said)
    except TufDownloadError as error:
        raise TrustRefreshError(f"{repository.url} can't be asked: {error}", cause="unreachable") from error
    except (RepositoryError, NothingKeptError, ValueError) as error:
        raise TrustRefreshError(f"what {repository.url} says is refused: {error}", cause="refused") from error
    except OSError as error:
        raise TrustRefreshError(f"what {repository.url} says can't be kept: {error}", cause="unkept") from error
    return found


def _update(repository: Repository, desk: Path, fetcher: FetcherInterface) -> None:
    updater = Updater(
        str(desk),
        repository.url,
        target_base_url=f"{repository.url}/targets/",
        fetcher=fetcher,
        config=_BOUNDS,
        bootstrap=repository.root,
    )
    updater.refresh()
    if (target := updater.get_targetinfo(TARGET)) is None:
        raise NothingKeptError(f"it has no target {TARGET}")
    if updater.find_cached_target(target, path := str(desk / TARGET)) is None:
        updater.download_target(target, path)
