"""What makes a kind of destination: one module in `kinds/` brings all of it, and the catalogue lists it. Pure.

Rules:
(1) A kind is what an operator may say (`settings`), how its service is talked to (a dialect, or a destination of its
    own where that is not HTTP), how the service reads texts (`markup`, unless that is the operator's to say), whether
    templates make its payloads, and the payload that goes out where no template can (`minimal`). Whoever needs one of
    these asks the kind; nobody asks for its name.
(2) A kind is called what its settings say beneath `kind`, and so are its templates: NAME for decisions, NAME-incident
    for incidents, and `notices/NAME` for what is told of Gatecrier itself. Kinds whose services read one format share
    templates, which are called as the format (`format`).
(3) A kind makes a destination of its own settings alone: others are a mistake of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar, get_args

from router.destinations.dialect import Dialect
from router.destinations.document import Destination, Document
from router.destinations.grants import TokenGrant
from router.destinations.settings import CommonSettings, HttpSettings
from router.outbound.addresses import AddressGuard
from router.rendering.markup import Markup
from router.rendering.minimal import Minimal, minimal_event

Common_co = TypeVar("Common_co", bound=CommonSettings, covariant=True)
Http_co = TypeVar("Http_co", bound=HttpSettings, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationKind(Generic[Common_co]):
    """What all kinds have in common."""

    settings: type[Common_co]
    """What an operator may say; `kind` is the literal of one name."""
    markup: Markup = Markup.NONE
    """How the service reads texts."""
    has_templates: bool = True
    """Whether payloads are made by templates of the kind's name where none is named; else the event itself is sent."""
    format: str = ""
    """What the templates are called, where other kinds have the same."""
    deduplicates: str = ""
    """By what the service knows what was sent again, and what becomes of that; empty where it has it twice."""
    updates: str = ""
    """What becomes of later messages about an incident; empty where each stands for itself."""
    limits: Mapping[str, int] = field(default_factory=dict, hash=False)
    """What the service takes at most, by what is counted: to be told to whoever writes a template for it."""
    minimal: Minimal = minimal_event
    """Makes the payload that goes out where a template fails, or where the receiver finds another too large."""
    ending: Callable[[Document], Document | None] | None = None
    """Where the service keeps open what it is told (an alert that wakes somebody, a ticket): makes of a document the
    one that ends what it has opened; None where it has opened nothing. For whoever tries a template."""

    @property
    def name(self) -> str:
        """What operators call it."""
        (name,) = get_args(self.settings.model_fields["kind"].annotation)
        return str(name)

    @property
    def template(self) -> str | None:
        """The template of decisions where none is named; None where the event itself is sent."""
        return (self.format or self.name) if self.has_templates else None

    @property
    def incident_template(self) -> str | None:
        """The same of messages about incidents."""
        return f"{self.template}-incident" if self.has_templates else None

    def markup_by(self, said: object) -> Markup:
        """How the service reads texts, of whose markup an operator says this; the kind's own where that is none."""
        is_theirs = "markup" in self.settings.model_fields
        return next((one for one in Markup if is_theirs and one.value == said), self.markup)

    def own(self, settings: CommonSettings) -> Common_co:
        """The settings, which are of this kind; raises TypeError where they are of another."""
        if not isinstance(settings, self.settings):
            raise TypeError(f"these are no settings of kind {self.name}")
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpKind(DestinationKind[Http_co]):
    """A kind that is told over HTTP."""

    dialect: Callable[[Http_co], Dialect]
    """How the service of these settings is talked to."""
    credentials: Callable[[Http_co], TokenGrant | None] | None = None
    """What access tokens are granted for, where the service, or the operator of these settings, wants such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKind(DestinationKind[Common_co]):
    """A kind that is told by other means."""

    destination: Callable[[Common_co, AddressGuard], Destination]
    """The receiver of these settings, at addresses that are allowed; connects to nothing yet."""
    sent: Callable[[Common_co, Document], bytes] | None = None
    """What goes out of a document, for whoever wants to see it and sends nothing; None: the document as it is."""


AnyKind: TypeAlias = HttpKind[HttpSettings] | OwnKind[CommonSettings]
