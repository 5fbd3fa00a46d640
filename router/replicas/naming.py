"""What a replica is called, and which one is the collector."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from router.fields import ListenAddress
from router.outbound.addresses import address_of


def own_name(environment: Mapping[str, str]) -> str:
    """What this replica is called: in Kubernetes, as its Pod."""
    return environment.get("HOSTNAME") or socket.gethostname()


def is_own(collector: ListenAddress, name: str) -> bool:
    """Whether the replica of this name is the one that is meant: a Pod's name begins its host name."""
    return name in (collector.host, collector.host.partition(".")[0])


def identity_file(outbox: Path) -> Path:
    """Where a replica keeps by what others know it: beside its outbox."""
    return outbox.with_name(f"{outbox.name}.replica")


def listening_at(collector: ListenAddress) -> ListenAddress:
    """Where the collector listens: at the address that is named, or where that is a name, at each that it may have."""
    is_named = address_of(collector.host) is None and collector.host != "localhost"
    return ListenAddress("", collector.port) if is_named else collector
