"""Names the namespaces that the file enforces and no label does: there nothing is refused while nobody answers.

Followed in the cluster by whoever collects, where the configuration says how the API is asked, that webhooks go by a
label, and that something is enforced without one. So one that is made again without its label, or loses it, is named
at once, and by whomever its label was taken: the webhook that tells of changes is not asked while nobody answers.

Rules:
(1) A namespace is named when it is found, and again only after it was gone or had the label.
(2) Nothing rests on it: it stands in the log, and where it can't be found out, that does, once until it can again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import assert_never

from router.errors import ClusterError
from router.kubernetes.client import Cluster
from router.kubernetes.resources import ApiObject, Resource
from router.kubernetes.watching import Gone, Interrupted, ListBegins, Listed, Present, Resumed, WatchedChange, changes
from router.policy import Enforcement, EnforcementSettings
from router.telemetry.logs import logger
from router.verdict import Mode

log = logger()

NAMESPACES = Resource("", "v1", "namespaces", ApiObject)
SHOWN = 50
"""Names that a line of the log has; further ones are counted."""


def are_needed(settings: EnforcementSettings) -> bool:
    """Whether a namespace may lack a label that it should have."""
    return settings.label is not None and Mode.ENFORCE in {settings.default, *settings.namespaces.values()}


class Unlabelled:
    """Which they are, as far as is known."""

    def __init__(self, settings: EnforcementSettings) -> None:
        self._enforcement, self._label = Enforcement(settings), settings.label
        self._found: set[str] = set()
        self._unseen: set[str] | None = None
        """Of those found before, which a list that is not complete has not shown yet; None between lists."""
        self._new: list[str] = []

    def take(self, change: WatchedChange[ApiObject]) -> None:
        """What has changed; says in the log which are new (1)."""
        match change:
            case ListBegins():
                self._unseen = set(self._found)
            case Present(one):
                self._see(one)
            case Gone(one):
                self._found.discard(one.metadata.name)
            case Listed():
                self._found -= self._unseen or set()
                self._unseen = None
            case Interrupted(error):
                log.warning("labels_not_known", cause=str(error))
            case Resumed():
                pass  # where changes were missed, a list has come before
            case _:
                assert_never(change)
        if self._unseen is None and self._new:
            self._say()

    def _see(self, one: ApiObject) -> None:
        name, labels = one.metadata.name, one.metadata.labels or {}
        if self._unseen is not None:
            self._unseen.discard(name)
        # A namespace that bears no such label is asked about as one that is watched.
        is_labelled = self._label is None or labels.get(self._label) == Mode.ENFORCE.value
        is_enforced = self._enforcement.mode(name, Mode.DETECT) is Mode.ENFORCE
        if is_labelled or not is_enforced or self._enforcement.never_blocks(name):
            self._found.discard(name)
        elif name not in self._found:
            self._found.add(name)
            self._new.append(name)

    def _say(self) -> None:
        new, self._new = sorted(self._found.intersection(self._new)), []
        if new:
            remedy = (
                f"kubectl label namespace NAME {self._label}=enforce; until then all is let in while nobody answers"
            )
            log.warning("namespaces_unlabelled", count=len(self._found), namespaces=new[:SHOWN], remedy=remedy)


async def follow_unlabelled(get: Callable[[], Cluster], settings: EnforcementSettings) -> None:
    """Say in the log which they are, now and from now on; without end where the API can be asked at all."""
    try:
        cluster = get()
    except ClusterError as error:
        log.warning("labels_not_known", cause=str(error))
        return
    unlabelled = Unlabelled(settings)
    async with aclosing(changes(cluster, NAMESPACES)) as found:
        async for change in found:
            unlabelled.take(change)
