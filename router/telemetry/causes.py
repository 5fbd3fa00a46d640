"""What can be wrong with Gatecrier itself: a closed set, each cause with its severity, its title and its remedy.

Whoever finds out that something is wrong says so to an observer, in whichever process that is:

    observer.trouble_began(Cause.DESTINATION_DOWN, "siem", "connection_failed")
    observer.trouble_ended(Cause.DESTINATION_DOWN, "siem")

Rules:
(1) Trouble is what no probe tells: neither would a restart mend it (`/healthz`), nor should requests go elsewhere
    (`/readyz`).
(2) A trouble is a cause and a subject: the destination, process or file that has it; empty where there is only one.
    The text says what was found, for people: a line without secrets and without what a stranger chose unescaped.
(3) Both calls may be made as often as one likes. Saying it again renews the text, and how long it lasts.
(4) A cause with `lasts` is of something that happens, not of a state: it ends by itself so many seconds after it was
    said last. One without must be ended by whoever said that it began.
(5) A new cause is one entry here, and is told (`gatecrier_trouble`, the log, events, docs/operations.md) without more.
"""

from __future__ import annotations

from enum import StrEnum
from string import Formatter
from typing import Protocol, Self

from router.verdict import Severity

_MINUTES = 60.0
_HOURS = 3600.0


class Cause(StrEnum):
    """Why Gatecrier needs somebody's attention."""

    severity: Severity
    heading: str
    """A sentence for people, in which `{WHAT}` stands for the subject; WHAT says what kind of thing that is."""
    remedy: str
    lasts: float | None
    """Seconds after which it is over if it is not said again; None where it ends when that is said."""

    def __new__(  # noqa: D102 - an entry has these independent parts, and is made here only
        cls,
        code: str,
        severity: Severity,
        heading: str,
        remedy: str,
        lasts: float | None = None,
    ) -> Self:
        made = str.__new__(cls, code)
        made._value_ = code
        made.severity, made.heading, made.remedy, made.lasts = severity, heading, remedy, lasts
        return made

    @property
    def of(self) -> str:
        """What kind of thing the subject is: `destination`, `process`, `trust_root`, or empty where there is none."""
        return next((name for _, name, _, _ in Formatter().parse(self.heading) if name), "")

    def title_of(self, subject: str) -> str:
        """The title for this subject."""
        return self.heading.replace(f"{{{self.of}}}", subject)

    CERTIFICATE_ENDING = (
        "certificate_ending",
        Severity.HIGH,
        "The certificate of the webhook ends soon",
        "renew webhook.tls; a new file is taken at once",
    )
    CERTIFICATE_UNKEPT = (
        "certificate_unkept",
        Severity.HIGH,
        "The certificate of the webhook can't be looked after",
        "let Gatecrier reach the API server, and get, update and patch its Secret, its Lease and its webhooks",
    )
    CLOCK_STEPPED = (
        "clock_stepped",
        Severity.MEDIUM,
        "The clock of the machine was set",
        "keep it by NTP; nothing is given up or forgotten by a clock that jumps",
        1 * _HOURS,
    )
    COLLECTOR_UNREACHABLE = (
        "collector_unreachable",
        Severity.HIGH,
        "The replica that makes incidents can't be reached",
        "mend it or the way to it; events wait here until it has them, and are delivered all the same",
    )
    CONFIGURATION_REFUSED = (
        "configuration_refused",
        Severity.HIGH,
        "A changed configuration can't be used",
        "`gatecrier config check` names every mistake; the one before stays in force",
    )
    RESTART_NEEDED = (
        "restart_needed",
        Severity.INFO,
        "Settings have changed that are read at the start only",
        "restart Gatecrier; the running values stay in force until then",
    )
    DELIVERIES_LATE = (
        "deliveries_late",
        Severity.HIGH,
        "Events for {destination} wait for longer than 15 min",
        "see `gatecrier deliveries list`, and what the log says of the destination",
    )
    DELIVERIES_SET_ASIDE = (
        "deliveries_set_aside",
        Severity.MEDIUM,
        "Events for {destination} were set aside",
        "`gatecrier deliveries list --state set_aside` says why; mend that, then `gatecrier deliveries replay`",
    )
    DESTINATION_DOWN = (
        "destination_down",
        Severity.MEDIUM,
        "The destination {destination} is down",
        "mend the receiver or the way to it; its events are kept, and it is asked again by itself",
    )
    DESTINATION_PAUSED = (
        "destination_paused",
        Severity.HIGH,
        "The destination {destination} refuses us",
        "mend its credentials (a new file is taken at once), or the channel that has gone; its events are kept",
    )
    DESTINATION_REMOVED = (
        "destination_removed",
        Severity.MEDIUM,
        "Events wait for {destination}, which is not a destination any more",
        "name it again, or `gatecrier deliveries replay --to` another, or `discard` them",
    )
    EVENTS_UNSTORED = (
        "events_unstored",
        Severity.HIGH,
        "The outbox can't take events",
        "free some space, or mend what the log says; each event is in the log instead",
        5 * _MINUTES,
    )
    INCIDENTS_INCOMPLETE = (
        "incidents_incomplete",
        Severity.HIGH,
        "Events went before incidents could be made of them",
        "bring the collector back, or raise outbox.max_size; they were of severity info: some incidents end later",
        1 * _HOURS,
    )
    LOG_LINES_DROPPED = (
        "log_lines_dropped",
        Severity.MEDIUM,
        "Lines of the log were dropped",
        "mend whoever reads standard error",
        5 * _MINUTES,
    )
    OUTBOX_DAMAGED = (
        "outbox_damaged",
        Severity.CRITICAL,
        "The outbox is damaged",
        "recover what was undelivered from the file that was moved aside; see docs/operations.md",
    )
    OUTBOX_NEARLY_FULL = (
        "outbox_nearly_full",
        Severity.HIGH,
        "The outbox has nearly the size that it may have",
        "mend the destinations that do not take their events, or raise outbox.max_size",
    )
    OUTBOX_REPLACED = (
        "outbox_replaced",
        Severity.CRITICAL,
        "The file of the outbox was removed or replaced",
        "let nobody but Gatecrier touch it; a new one was made, so that alerts go on",
    )
    PROCESS_ENDED = (
        "process_ended",
        Severity.MEDIUM,
        "The process {process} ended and was started again",
        "see the log for why, and whether its memory limit is too low",
        10 * _MINUTES,
    )
    SET_ASIDE_ENDING = (
        "set_aside_ending",
        Severity.HIGH,
        "Events for {destination} that were set aside are soon removed for good",
        "`gatecrier deliveries replay` or `discard` them, or raise outbox.keep_set_aside",
    )
    TEMPLATE_FAILING = (
        "template_failing",
        Severity.MEDIUM,
        "The template of {destination} fails; minimal payloads go out",
        "the log names template, line and cause",
        1 * _HOURS,
    )
    TRUST_REFRESH_FAILED = (
        "trust_refresh_failed",
        Severity.MEDIUM,
        "The trust root {trust_root} could not be refreshed",
        "see the log for why; the one before stays in force",
    )
    TRUST_STALE = (
        "trust_stale",
        Severity.HIGH,
        "The trust root {trust_root} is out of date",
        "let Gatecrier reach its repository, or update Gatecrier",
    )


class Troubles(Protocol):
    """Who hears what is wrong; every call is quick."""

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Something is wrong with this subject, or still is; `text` says what was found."""

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """It is not any more, or never was."""


class UnheardTroubles:
    """Implements `Troubles` where nobody listens."""

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Nothing is done."""

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Nothing is done."""


NOBODY: Troubles = UnheardTroubles()
