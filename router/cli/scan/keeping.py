"""What `gatecrier scan` has kept of what it has found: in the outbox of this machine, or by the collector.

Rules:
(1) Wherever it is asked for, it is kept as if it had been asked for at the collector.
(2) A machine that is no replica, as that of somebody with a kubeconfig, keeps nothing, and is told so: it has neither
    an outbox nor what the collector would know it by.
(3) What can't be kept that should be is told, and what was found is shown all the same: it stands on standard output
    before anything of it is kept.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from router.cli.exit_codes import UNKNOWN, YES
from router.errors import OutboxError, ReplicaError
from router.outbox.records import beside
from router.replicas.handing_in import AtCollector
from router.replicas.naming import identity_file, is_own, own_name
from router.routing import RoutingTree
from router.scanning.keeping import HandedIn, InFile, Keeper, hand_in
from router.scanning.recording import Terms, Which
from router.scanning.scan import Scanned
from router.settings.scan_part import ScanPart
from router.text import one_line


def kept(found: Scanned, only: Sequence[str] | None, part: ScanPart) -> int:
    """Have it kept, and tell what is not; returns the exit code of that alone.

    `only` are the namespaces that were asked for by name.
    """
    if (why := _is_nowhere(part)) is not None:
        _complain(f"nothing is kept of it: {why}")
        return YES
    so_far = HandedIn()
    try:
        asyncio.run(_kept(found, only, part, so_far))
    except (OutboxError, ReplicaError) as error:
        some = f"{so_far.kept} of {len(found.found)} findings are kept, and it counts as no full scan"
        _complain(f"{some if so_far.kept else 'nothing is kept of it'}: {error}; mend that and scan again")
        return UNKNOWN
    if so_far.left_out:
        _complain(f"{so_far.left_out} findings are not kept: they are beyond the collector's scan.namespaces")
    return YES


def _is_nowhere(part: ScanPart) -> str | None:
    """Why this machine keeps nothing (2); None where it should."""
    outbox, is_collector = part.outbox.path, _is_collector(part)
    ways = (outbox,) if is_collector else (outbox, identity_file(outbox))
    if any(map(os.path.exists, ways)):  # of Path the same raises where a folder may not be read
        return None
    nothing = f"there is no outbox {outbox} on this machine"
    return nothing if is_collector else f"{nothing}, which is no replica beside {part.incidents.collector}; scan at one"


async def _kept(found: Scanned, only: Sequence[str] | None, part: ScanPart, so_far: HandedIn) -> None:
    scan = Which(part.cluster, own_name(os.environ), found.began_at, only, part.scan.namespaces)
    async with _keeper(part) as keeper:
        await hand_in(found, scan, keeper, so_far)


@asynccontextmanager
async def _keeper(part: ScanPart) -> AsyncIterator[Keeper]:
    path, collector = part.outbox.path, part.incidents.collector
    if collector is None or _is_collector(part):
        records = await beside(path)
        try:
            yield InFile(records, _terms(part))
        finally:
            await records.close()
    else:
        there = AtCollector(collector, identity_file(path), troubled=_trouble)
        try:
            yield there
        finally:
            await there.close()


def _terms(part: ScanPart) -> Terms:
    return Terms(part.cluster, own_name(os.environ), RoutingTree(part.routes), part.scan.namespaces)


def _is_collector(part: ScanPart) -> bool:
    """Whether this machine keeps it: the only replica there is, or the collector of several."""
    collector = part.incidents.collector
    return collector is None or is_own(collector, own_name(os.environ))


def _trouble(text: str) -> None:
    _complain(f"{text}; trying again")


def _complain(text: str) -> None:
    print(one_line(text), file=sys.stderr)
