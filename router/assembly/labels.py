"""Names the namespaces that the file enforces and no label does: there nothing is refused while nobody answers.

Looked for in the cluster when a configuration is taken, where that says how the API is asked and that webhooks go by a
label. Nothing rests on it: it stands in the log, and where it can't be found out, that does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from router.errors import ClusterError
from router.kubernetes.client import Cluster
from router.kubernetes.resources import Object, Resource
from router.policy import Enforcement, EnforcementSettings
from router.telemetry.logs import logger
from router.verdict import Mode

log = logger()

NAMESPACES = Resource("", "v1", "namespaces", Object)
SHOWN = 50
"""Names that a line of the log has; further ones are counted."""


async def unlabelled(cluster: Cluster, settings: EnforcementSettings) -> Sequence[str]:
    """The names of those namespaces, in order; raises ClusterError."""
    enforcement, label = Enforcement(settings), settings.label
    found = set[str]()
    async for page in cluster.pages(NAMESPACES):
        if page.is_first:
            found.clear()
        for one in page.objects:
            name, labels = one.metadata.name, one.metadata.labels or {}
            is_labelled = label is None or labels.get(label) == Mode.ENFORCE.value
            # A namespace that bears no such label is asked about as one that is watched.
            if not is_labelled and enforcement.mode(name, Mode.DETECT) is Mode.ENFORCE:
                found |= set() if enforcement.never_blocks(name) else {name}
    return sorted(found)


async def name_unlabelled(get: Callable[[], Cluster], settings: EnforcementSettings) -> None:
    """Say in the log which they are, if there are any."""
    try:
        found = await unlabelled(get(), settings)
    except ClusterError as error:
        log.warning("labels_not_known", cause=str(error))
        return
    if found:
        remedy = f"kubectl label namespace NAME {settings.label}=enforce; until then all is let in while nobody answers"
        log.warning("namespaces_unlabelled", count=len(found), namespaces=found[:SHOWN], remedy=remedy)
