"""The whole configuration as one frozen tree; every component brings its own part.

The tree is the union of two, so that what each side of the outbox must know can be handed to it alone (`parts`).
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from router.admission.settings import DrivenSettings, WebhookSettings
from router.destinations.catalogue import DestinationSettings
from router.destinations.egress import EgressSettings
from router.fields import SettingsModel
from router.kubernetes.settings import KubernetesSettings
from router.outbox.settings import OutboxSettings
from router.policy import BreakGlassSettings
from router.policy.settings import EnforcementSettings, ExemptionSettings, RuleSettings
from router.readiness.settings import ReadinessSettings
from router.registry.settings import RegistrySettings
from router.rendering.settings import TemplatesSettings
from router.routing import IncidentSettings, TimeIntervalSettings
from router.routing.settings import ReceiverSettings, RouteSettings
from router.scanning.settings import ScanSettings
from router.server.settings import OperationsSettings
from router.text import shown
from router.verification.catalogue import VerifierSettings
from router.verification.trust_roots import TrustRootSettings

_CLUSTER = r"[A-Za-z0-9]([A-Za-z0-9._:/@-]{0,251}[A-Za-z0-9])?"


def _cluster(value: str) -> str:
    if re.fullmatch(_CLUSTER, value, re.ASCII) is None:
        raise ValueError(
            f"{shown(value, 300)} is not a valid name of a cluster; write letters, digits and . _ : / @ -, "
            "such as production-eu"
        )
    return value


_Cluster = Annotated[str, AfterValidator(_cluster), WithJsonSchema({"type": "string", "pattern": f"^{_CLUSTER}$"})]


_Exemptions = Annotated[tuple[ExemptionSettings, ...], Field(max_length=500)]


class ClusterSettings(SettingsModel):
    """What everybody must know."""

    cluster: _Cluster
    """The name of this cluster: the source of every event, and a part of each event's id. Give each cluster its own."""
    enforcement: EnforcementSettings = EnforcementSettings()
    """Where a failing verdict blocks."""


class JudgingSettings(ClusterSettings):
    """What whoever judges images must know: no key of the webhook is among it, nor anything of who is told."""

    webhook: DrivenSettings = DrivenSettings()
    """Where the API server asks, and how long an answer may take."""
    registries: tuple[RegistrySettings, ...] = ()
    """Only registries that differ from https, the system's CAs, and anonymous."""
    trust_roots: tuple[TrustRootSettings, ...] = ()
    """Sigstore instances that verifiers may name; `public-good` is built in."""
    verifiers: tuple[VerifierSettings, ...] = ()
    """Who has to have signed. `allow` and `deny` are built in."""
    policy: Annotated[tuple[RuleSettings, ...], Field(min_length=1)]
    """Which images need which verifier: the most specific pattern wins, and an image that none matches is denied."""
    exemptions: _Exemptions = ()
    """What is let in although it fails, for a time. Every admission by one is told, and so are a week before its end
    and its end."""
    break_glass: BreakGlassSettings | None = None
    """How somebody has an object let in, in an emergency, whatever its images are; absent: nobody has."""

    @model_validator(mode="after")
    def _verifiers_know_their_roots(self) -> Self:
        for verifier in self.verifiers:
            verifier.bind(self.trust_roots, self.verifiers)
        return self


class GateSettings(JudgingSettings):
    """What whoever decides must know: no secret of a destination is among it."""

    webhook: WebhookSettings
    """Where the API server asks, and how long an answer may take."""
    outbox: OutboxSettings
    """Where events are kept until every destination has them."""
    destinations: tuple[ReceiverSettings, ...] = ()
    """Who is told."""
    routes: RouteSettings = RouteSettings()
    """Who is told of what: a tree as in Alertmanager, whose root takes every event."""
    incidents: IncidentSettings = IncidentSettings()
    """How events become incidents, of which people are told."""


class KeeperSettings(ClusterSettings):
    """What whoever delivers must know: no credential of a registry is among it, and no key of the webhook."""

    outbox: OutboxSettings
    """Where events are kept until every destination has them."""
    egress: EgressSettings = EgressSettings()
    """Which addresses destinations may have, beyond public ones."""
    templates: TemplatesSettings = TemplatesSettings()
    """Where payload templates are looked for before the shipped ones."""
    destinations: tuple[DestinationSettings, ...] = ()
    """Who is told. Without one, events are only kept in the outbox."""
    routes: RouteSettings = RouteSettings()
    """Who is told of what: a tree as in Alertmanager, whose root takes every event."""
    incidents: IncidentSettings = IncidentSettings()
    """How events become incidents, of which people are told."""
    time_intervals: tuple[TimeIntervalSettings, ...] = ()
    """Times by name, which `active` and `mute` of routes name."""
    readiness: ReadinessSettings = ReadinessSettings()
    """When a namespace is ready to be enforced."""
    kubernetes: KubernetesSettings | None = None
    """How the cluster's API is asked. Absent: it never is, and what needs it is refused."""
    scan: ScanSettings | None = None
    """When what runs already is judged. Absent: only where somebody asks (`gatecrier scan`)."""
    exemptions: _Exemptions = ()
    """What is let in although it fails, for a time. Every admission by one is told, and so are a week before its end
    and its end."""

    @model_validator(mode="after")
    def _scans_can_ask(self) -> Self:
        if self.scan is not None and self.kubernetes is None:
            raise ValueError("`scan` asks the cluster's API which Pods run; write `kubernetes: {api: in-cluster}`, too")
        return self

    @model_validator(mode="after")
    def _destinations_know_how_long_incidents_last(self) -> Self:
        for destination in self.destinations:
            destination.bind(self.incidents.forget_after)
        return self


class Settings(KeeperSettings, GateSettings):
    """The configuration of one Gatecrier."""

    operations: OperationsSettings
    """Where probes and metrics are answered."""
    destinations: tuple[DestinationSettings, ...] = ()
    """Who is told. Without one, events are only kept in the outbox."""
