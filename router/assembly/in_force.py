"""The configuration that the processes of a product are made by: for each role its part, and which one it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from router.assembly.door import identity_for, trial_for
from router.assembly.keeper_half import DRAIN
from router.assembly.messages import Configuration, RefreshedRoot
from router.errors import GatecrierError
from router.settings.loading import Loaded
from router.settings.parts import for_gate, for_keeper
from router.telemetry.logs import logger
from router.telemetry.metrics import PROCESS_ROLES
from router.verification.settings import repositories_of

log = logger()

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

    @property
    def roots(self) -> Mapping[str, bytes]:
        """What repositories of trusted roots are known to hold, by their ids."""
        return self.parts[GATE].roots


def in_force_from(loaded: Loaded, before: InForce | None) -> InForce:
    """What is in force by this configuration, after another or as the first; raises ConfigurationError."""
    webhook = loaded.settings.webhook
    generation = 1 if before is None else before.generation + 1
    repositories = repositories_of(loaded.settings.verifiers)
    used = {one.id for one in repositories}
    roots = {} if before is None else {id_: body for id_, body in before.roots.items() if id_ in used}
    trial = trial_for(webhook, None if before is None else before.parts[GATE].trial)

    patience = webhook.patience_of_delivery(DRAIN)
    return InForce(
        {
            GATE: Configuration(generation, for_gate(loaded), patience, trial, roots=roots),
            KEEPER: Configuration(
                generation,
                for_keeper(loaded),
                patience,
                repositories=repositories,
                roots=roots,
                identity=identity_for(loaded.settings),
            ),
        }
    )


async def take_root(refreshed: RefreshedRoot, before: InForce, bring: Callable[[InForce], Awaitable[None]]) -> None:
    """Work by a renewed root, as if the configuration had changed: so every request is judged by one trust."""
    if (configured := with_root(before, refreshed)) is None:
        return
    try:
        await bring(configured)
    except GatecrierError as error:
        advice = "what was known before goes on to count"
        log.error("trust_refused", problem=str(error), advice=advice)  # noqa: TRY400 - the stack says nothing more
    else:
        log.info("trust_taken", repository=refreshed.repository[:12], generation=configured.generation)


def with_root(before: InForce, refreshed: RefreshedRoot) -> InForce | None:
    """What is in force when a trusted root is renewed; None where that changes nothing."""
    is_asked = any(one.id == refreshed.repository for one in before.parts[KEEPER].repositories)
    if not is_asked or before.roots.get(refreshed.repository) == refreshed.body:
        return None
    roots = {**before.roots, refreshed.repository: refreshed.body}
    generation = before.generation + 1
    return InForce({role: replace(part, generation=generation, roots=roots) for role, part in before.parts.items()})
