"""One admission request, what holds for it, and the rules that were in force when it came."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from router.admission.judging import Judging
from router.admission.review import AdmissionRequest
from router.admission.workloads import Workload
from router.events import Origin
from router.policy import Enforcement
from router.routing import RoutingTree
from router.verdict import Mode


@dataclass(frozen=True, slots=True)
class GateRules:
    """What one configuration says; a reload replaces the whole."""

    origin: Origin
    enforcement: Enforcement
    judging: Judging
    routes: RoutingTree
    destinations: tuple[str, ...]
    """Every destination: who is told when the routes themselves fail."""
    must_deliver: frozenset[str]
    """Destinations whose receipt an admission in enforce mode waits for."""
    outbox_required: bool
    pin_digests: bool
    csi_drivers: frozenset[str]
    """CSI drivers whose inline volumes are images."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read."""

    request: AdmissionRequest
    workload: Workload
    rules: GateRules
    mode: Mode
    """Whether a failing image may block here."""
    never_block: bool
    came: float
    """When its first byte came, in the event loop's time."""
    deadline: float
    """When judging must end, in the event loop's time."""
    store_by: float
    """When the event must be stored, in the event loop's time."""
    began: float
    """In `time.perf_counter`'s time."""
    problem: str = ""
    """Why its images could not be read; empty where they could."""
    handed: list[str] = field(default_factory=list)
    """Ids of events about it that the outbox was given."""

    @property
    def blocks(self) -> bool:
        """Whether a failing image whose rule enforces is refused."""
        return self.mode is Mode.ENFORCE and not self.never_block

    def unread(self, problem: str) -> Asked:
        """The same request, of whose images nobody may look at any."""
        return replace(self, problem=problem, workload=replace(self.workload, places=()))
