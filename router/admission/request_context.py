"""One admission request, what holds for it, and the rules that were in force when it came.

Invariant: whatever a request needs of the configuration, it has from the `GateRules` that its first byte found. A
reload replaces the whole; nothing looks later at what is in force then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from router.admission.deadlines import judging_before_receipts
from router.admission.decisions import Decisions
from router.admission.judging import ImageJudge
from router.admission.review import AdmissionRequest
from router.admission.workloads import Workload
from router.decision import Grant
from router.events import Origin
from router.outbox import NewEvent
from router.policy import BreakGlass, BreakGlassClaim, Enforcement, Exemptions
from router.routing import RoutingTree
from router.telemetry.logs import logger
from router.verdict import Mode

log = logger()

MODES_KEPT = 1024
"""Modes of namespaces that are remembered."""

ObtainReceipts: TypeAlias = Callable[[bytes, str, Sequence[str], float], Awaitable[frozenset[str]]]
"""(event body, event id, destinations, deadline in loop time) -> those that gave their receipt."""


ObtainGrants: TypeAlias = Callable[[str, float], Awaitable[Sequence[Grant]]]
"""(namespace, deadline in loop time) -> the grants that are in force there; none where nobody could be asked."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """What one configuration says; a reload replaces the whole."""

    origin: Origin
    enforcement: Enforcement
    exemptions: Exemptions
    """What is let in although it fails."""
    break_glass: BreakGlass
    """Who may have an object let in whatever its images are."""
    grants: ObtainGrants
    """What was let in so, and lasts."""
    controllers: tuple[str, ...]
    """Users whose objects are made of others: patterns, as `incidents.controllers` has them."""
    judging: ImageJudge
    decisions: Decisions
    """What was decided by these rules and still holds."""
    routes: RoutingTree
    destinations: tuple[str, ...]
    """Every destination: who is told when the routes themselves fail."""
    must_deliver: frozenset[str]
    """Destinations whose receipt an admission in enforce mode waits for."""
    receipts: ObtainReceipts
    """Tells destinations of this configuration at once."""
    outbox_required: bool
    pin_digests: bool
    csi_drivers: frozenset[str]
    """CSI drivers whose inline volumes are images."""
    longest: float
    """Seconds that judging may take at most."""
    now: Callable[[], float]
    """The time of day, in seconds since 1970."""
    _modes: dict[tuple[str, Mode | None], tuple[Mode, bool]] = field(default_factory=dict)
    """What `mode` has said."""

    def mode(self, namespace: str, label: Mode | None) -> tuple[Mode, bool]:
        """Whether a failing image blocks there, where the label says this, and whether nothing ever does.

        Never fails: the last word about a request that broke whatever it touched needs a mode, too. It does not even
        stand on `router.telemetry.going_on` for that, which may be what broke.
        """
        if (known := self._modes.get((namespace, label))) is not None:
            return known
        try:
            never_block = self.enforcement.never_blocks(namespace)
            found = (Mode.DETECT if never_block else self.enforcement.mode(namespace, label)), never_block
        except Exception:  # the last word would have no mode either, and fail: it is the stricter of what is known
            log.exception("mode_unknown", namespace=namespace)
            return Mode.ENFORCE if Mode.ENFORCE in (label, self.enforcement.default) else Mode.DETECT, False
        if len(self._modes) >= MODES_KEPT:  # whoever asks names namespaces as he likes
            self._modes.clear()
        self._modes[namespace, label] = found
        return found


class Times(NamedTuple):
    """When things must be done for a request, in the event loop's time."""

    came: float
    """When its first byte came."""
    deadline: float
    """When judging must end."""
    store_by: float
    """When the event must be stored."""


@dataclass(slots=True)
class EventChain:
    """What was told about one request so far: each event but the first corrects the one before."""

    last: NewEvent | None = None
    """The event that was told last."""
    attempt: NewEvent | None = None
    """The event that was told before the outbox had it, so that receipts could be waited for."""
    hearers: tuple[str, ...] = ()
    """Who has heard the attempt, or may have."""
    to: tuple[str, ...] = ()
    """Everybody who has heard an event, or may hear it."""

    def add(self, event: NewEvent, destinations: Sequence[str]) -> None:
        """An event is about to be told to these."""
        self.last = event
        self.to = tuple(dict.fromkeys((*self.to, *destinations))) if self.to else tuple(destinations)

    @property
    def is_corrected(self) -> bool:
        """Whether the attempt was told and something else was told after it."""
        return self.attempt is not None and self.last is not None and self.last.id != self.attempt.id

    def take_back(self) -> None:
        """Nobody has heard anything, and nobody will."""
        self.last, self.attempt, self.hearers, self.to = None, None, (), ()


class RequestContext(Struct, frozen=True):
    """A request that was read."""

    request: AdmissionRequest
    workload: Workload
    rules: GateRules
    mode: Mode
    """Whether a failing image may block here."""
    never_block: bool
    times: Times
    began: float
    """In `time.perf_counter`'s time."""
    problem: str = ""
    """Why its images could not be read; empty where they could."""
    claim: BreakGlassClaim | None = None
    """That it breaks the glass."""
    told: EventChain = msgspec.field(default_factory=EventChain)
    """What was told about it."""

    @property
    def blocks(self) -> bool:
        """Whether a failing image whose rule enforces is refused."""
        return self.mode is Mode.ENFORCE and not self.never_block

    @property
    def judging_ends(self) -> float:
        """When judging must end: in time for receipts, where they are waited for."""
        came, deadline = self.times.came, self.times.deadline
        return judging_before_receipts(came, deadline) if self.blocks and self.rules.must_deliver else deadline

    def unread(self, problem: str) -> RequestContext:
        """The same request, of whose images nobody may look at any."""
        return msgspec.structs.replace(
            self, problem=problem, workload=msgspec.structs.replace(self.workload, places=())
        )
