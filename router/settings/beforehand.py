"""What every process would do with its first configuration is done once before they are forked: then all share it.

Validators are built when they are first used, and whatever is run for the first time is written to: with a real
configuration each process would have 2 MiB of that for itself. So a small one is read as a real one is, by the product
and by each of its processes. It names no file, no variable and no secret, and nothing is kept of it.
"""

from __future__ import annotations

from router.settings.loading import Loaded, Refused, checked
from router.settings.parts import for_gate, for_keeper, gate_part, keeper_part
from router.settings.snapshot import Reading, Snapshot
from router.settings.tree import GateSettings, KeeperSettings, Settings

_PATH = "/beforehand/gatecrier.yaml"
_SMALL = b"""
cluster: beforehand
webhook: {listen: "127.0.0.1:8443", tls: managed}
kubernetes: {api: in-cluster}
operations: {listen: "127.0.0.1:9090"}
outbox: {url: "sqlite:///outbox.db"}
policy: [{pattern: "**", verifier: allow}]
destinations: [{name: archive, kind: file, path: events.jsonl}]
routes: {destinations: [archive], routes: [{match: ['request.namespace = "a"'], destinations: [archive]}]}
"""


def read_beforehand() -> Loaded | Refused:
    """Read it; Refused would be a mistake of ours, which costs memory and nothing else."""
    for tree in (Settings, GateSettings, KeeperSettings):
        tree.model_rebuild()  # once for all: whoever reads by an unfinished one builds its own each time
    found = checked(Reading.of(Snapshot(_PATH, _PATH, {_PATH: _SMALL}, {})))
    if isinstance(found, Loaded):
        gate_part(for_gate(found))
        keeper_part(for_keeper(found))
    return found
