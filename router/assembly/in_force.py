"""The configuration that the processes of a product are made by: for each role its part, and which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.assembly.door import trial_pair
from router.assembly.messages import Configuration
from router.assembly.running import DRAIN
from router.settings.loading import Loaded
from router.settings.parts import for_gate, for_keeper
from router.settings.snapshot import Snapshot
from router.telemetry.metrics import PROCESS_ROLES

GATE, KEEPER = PROCESS_ROLES


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration, and what is sent of it."""

    loaded: Loaded
    parts: Mapping[str, Configuration]
    """By role."""

    @property
    def generation(self) -> int:
        """1, 2, 3 ...: which one it is."""
        return self.parts[GATE].generation


def in_force_from(loaded: Loaded, before: InForce | None) -> InForce:
    """What is in force by this configuration, after another or as the first; raises ConfigurationError."""
    webhook = loaded.settings.webhook
    generation = 1 if before is None else before.generation + 1
    trial = None if before is None else before.parts[GATE].trial
    if webhook.tls == "self-signed" and trial is None:
        trial = trial_pair(webhook.listen.host)

    def part(role: str, latest: Snapshot, trial: tuple[bytes, bytes] | None = None) -> Configuration:
        first = latest if before is None else before.parts[role].first
        return Configuration(generation, first, latest, webhook.patience_of_delivery(DRAIN), trial)

    gate, keeper = for_gate(loaded.snapshot), for_keeper(loaded.snapshot)
    return InForce(loaded, {GATE: part(GATE, gate, trial), KEEPER: part(KEEPER, keeper)})
