"""The configuration that the processes of a product are made by: for each role its part, and which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.assembly.door import trial_for
from router.assembly.keeper_half import DRAIN
from router.assembly.messages import Configuration
from router.settings.loading import Loaded
from router.settings.parts import for_gate, for_keeper
from router.telemetry.metrics import PROCESS_ROLES

GATE, KEEPER = PROCESS_ROLES


@dataclass(frozen=True, slots=True)
class InForce:
    """A configuration, and what is sent of it."""

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
    trial = trial_for(webhook, None if before is None else before.parts[GATE].trial)

    patience = webhook.patience_of_delivery(DRAIN)
    return InForce(
        {
            GATE: Configuration(generation, for_gate(loaded), patience, trial),
            KEEPER: Configuration(generation, for_keeper(loaded), patience),
        }
    )
