"""Every kind of destination: the one line that a new one adds."""

from __future__ import annotations

from typing import Annotated, assert_never

from pydantic import Field

from router.destinations.document import Destination
from router.destinations.egress import EgressSettings
from router.destinations.file import FileDestination, FileSettings
from router.destinations.over_http import HttpDestination
from router.destinations.slack import SlackSettings, dialect_of
from router.destinations.sysdig import SysdigDialect, SysdigSettings
from router.destinations.webhook import WebhookDialect, WebhookSettings
from router.rendering.markup import Markup

AnyDestination = SysdigSettings | SlackSettings | WebhookSettings | FileSettings
DestinationSettings = Annotated[AnyDestination, Field(discriminator="kind")]


def open_destination(settings: AnyDestination, egress: EgressSettings) -> Destination:
    """The destination; connects to nothing yet.

    Raises:
        ConfigurationError: Its certificates were not read with a configuration.
    """
    guard = egress.guard()
    match settings:
        case SysdigSettings():
            return HttpDestination(settings, SysdigDialect(settings), guard)
        case SlackSettings():
            return HttpDestination(settings, dialect_of(settings), guard)
        case WebhookSettings():
            return HttpDestination(settings, WebhookDialect(settings), guard, batch_size=settings.batch_size)
        case FileSettings():
            return FileDestination(settings)
        case _:
            assert_never(settings)


def default_template(settings: AnyDestination) -> str | None:
    """The template that is used where none is named; None where the event itself is sent."""
    return settings.kind if isinstance(settings, SysdigSettings | SlackSettings) else None


def markup_of(settings: AnyDestination) -> Markup:
    """How the service reads texts."""
    return Markup.SLACK if isinstance(settings, SlackSettings) else Markup.NONE
