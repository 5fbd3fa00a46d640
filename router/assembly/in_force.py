"""The configuration that the processes of a product are made by: for each role its part, and which one it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from router.admission.settings import TlsFiles, WebhookSettings
from router.assembly.door import awaiting, identity_for, trial_for
from router.assembly.keeper_half import DRAIN
from router.assembly.messages import Configuration, RefreshedRoot
from router.certificates.making import HeldCertificate
from router.errors import GatecrierError
from router.pem import KeyPair
from router.settings.loading import Loaded
from router.settings.parts import for_gate, for_keeper
from router.settings.tree import Settings
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
    shown: KeyPair | None
    """What the webhook shows, whatever it is from."""
    trial: KeyPair | None
    """A certificate for trials, where one was made."""
    settings: Settings
    """The whole."""

    @property
    def held(self) -> HeldCertificate | None:
        """The managed certificate; None where there is none, or none yet."""
        return self.parts[KEEPER].held

    @property
    def is_awaiting(self) -> bool:
        """Whether a managed certificate has not come yet: nobody can ask us then."""
        return self.parts[KEEPER].is_managed and self.held is None

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
    trial = trial_for(webhook, None if before is None else before.trial)
    is_managed = webhook.tls == "managed"
    held = before.held if before is not None and is_managed else None
    shown = _shown(webhook, trial, held, None if before is None else before.shown)

    patience = webhook.patience_of_delivery(DRAIN)
    keeper = Configuration(
        generation,
        for_keeper(loaded),
        patience,
        is_managed=is_managed,
        held=held,
        repositories=repositories,
        roots=roots,
        identity=identity_for(loaded.settings),
    )
    gate = Configuration(generation, for_gate(loaded), patience, shown, roots=roots)
    return InForce({GATE: gate, KEEPER: keeper}, shown, trial, loaded.settings)


def _shown(
    webhook: WebhookSettings, trial: KeyPair | None, held: HeldCertificate | None, before: KeyPair | None
) -> KeyPair | None:
    """What is shown; until there is a managed certificate, what was shown before."""
    if isinstance(webhook.tls, TlsFiles):
        return webhook.tls.pair
    if webhook.tls == "managed":
        return held.pair if held is not None else before or awaiting()
    return trial


async def take(
    found: RefreshedRoot | HeldCertificate, before: InForce, bring: Callable[[InForce], Awaitable[None]]
) -> None:
    """Work by what the keeper has found, as if the configuration had changed: so one trust judges every request."""
    if isinstance(found, RefreshedRoot):
        configured, what, known_by = with_root(before, found), "root", found.repository[:12]
    else:
        configured, what, known_by = with_held(before, found), "certificate", found.mark
    if configured is None:
        return
    try:
        await bring(configured)
    except GatecrierError as error:
        advice = "what was known before goes on to count"
        log.error("trust_refused", what=what, problem=str(error), advice=advice)  # noqa: TRY400 - the stack says no more
    else:
        log.info("trust_taken", what=what, id=known_by, generation=configured.generation)


def with_held(before: InForce, held: HeldCertificate) -> InForce | None:
    """What is in force when this is shown; None where that changes nothing."""
    keeper = before.parts[KEEPER]
    if not keeper.is_managed or keeper.held == held:
        return None
    generation = before.generation + 1
    parts = {
        GATE: replace(before.parts[GATE], generation=generation, pair=held.pair),
        KEEPER: replace(keeper, generation=generation, held=held),
    }
    return dataclasses.replace(before, parts=parts, shown=held.pair)


def with_root(before: InForce, refreshed: RefreshedRoot) -> InForce | None:
    """What is in force when a trusted root is renewed; None where that changes nothing."""
    is_asked = any(one.id == refreshed.repository for one in before.parts[KEEPER].repositories)
    if not is_asked or before.roots.get(refreshed.repository) == refreshed.body:
        return None
    roots = {**before.roots, refreshed.repository: refreshed.body}
    generation = before.generation + 1
    parts = {role: replace(part, generation=generation, roots=roots) for role, part in before.parts.items()}
    return dataclasses.replace(before, parts=parts)
