"""The cluster's API as the configuration in force finds it, for whatever in the keeper asks it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from router.certificates.keeping import Names
from router.errors import ClusterError
from router.kubernetes.access import Access
from router.kubernetes.client import Cluster
from router.kubernetes.settings import KubernetesSettings
from router.text import shown

_REPLICA = re.compile(r"([a-z0-9][a-z0-9-]{0,60})-[0-9]{1,6}", re.ASCII)


class ClusterInForce:
    """One client at a time, made when somebody first asks.

    Args:
        environment: Says where the API server of a Pod is.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._settings: KubernetesSettings | None = None
        self._opened: Cluster | None = None
        self._access: Access | None = None
        """Of what is open."""

    async def replace(self, settings: KubernetesSettings | None) -> None:
        """Ask by these from now on; what is under way ends where they differ."""
        self._settings = settings
        with contextlib.suppress(ClusterError):
            if self._opened is None or self._wanted() == self._access:
                return
        await self.close()

    def get(self) -> Cluster:
        """The API server.

        Raises:
            ClusterError: The configuration does not say how it is asked, or not here.
        """
        if self._opened is None:
            self._access = self._wanted()
            self._opened = Cluster(self._access)
        return self._opened

    def names(self, replica: str) -> Names:
        """What the chart has called things, by the name of this replica (NAME-0) and its namespace.

        Raises:
            ClusterError: As `get`; or they say nothing of use.
        """
        namespace, found = self._wanted().namespace, _REPLICA.fullmatch(replica)
        if not namespace or found is None:
            raise ClusterError(
                f"webhook.tls: managed is for Pods of a StatefulSet, called NAME-0, NAME-1 ...; not {shown(replica)}"
                f" in the namespace {shown(namespace or '')}",
                cause="unconfigured",
            )
        return Names(found[1], namespace)

    def _wanted(self) -> Access:
        if self._settings is None:
            raise ClusterError("there is no `kubernetes` in the configuration", cause="unconfigured")
        return self._settings.access(self._environment)

    async def close(self) -> None:
        """Close every connection."""
        if (opened := self._opened) is not None:
            self._opened = None
            await opened.close()
