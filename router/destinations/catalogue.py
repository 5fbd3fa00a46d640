"""Every kind of destination: the one line that a new one adds, and what follows from the list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, Union, assert_never

from pydantic import Field

from router.destinations.document import Destination
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind, HttpKind, OwnKind
from router.destinations.kinds import (
    alertmanager,
    datadog,
    elasticsearch,
    file,
    jira,
    opensearch,
    otlp,
    pagerduty,
    sentinel,
    slack,
    smtp,
    splunk_hec,
    sysdig,
    syslog,
    teams,
    webhook,
)
from router.destinations.over_http import HttpDestination, ReplyListener
from router.destinations.secrets import FilledDestination, Filling
from router.destinations.settings import CommonSettings

KINDS: Final[tuple[AnyKind, ...]] = (
    sysdig.KIND,
    slack.KIND,
    teams.KIND,
    pagerduty.KIND,
    alertmanager.KIND,
    jira.KIND,
    webhook.KIND,
    splunk_hec.KIND,
    elasticsearch.KIND,
    opensearch.KIND,
    sentinel.KIND,
    datadog.KIND,
    otlp.KIND,
    smtp.KIND,
    syslog.KIND,
    file.KIND,
)
"""In the order in which they are documented."""

if TYPE_CHECKING:  # a checker of types can't know what the list makes of it at run time
    DestinationSettings: TypeAlias = CommonSettings
else:
    DestinationSettings = Annotated[Union[tuple(kind.settings for kind in KINDS)], Field(discriminator="kind")]  # noqa: UP007 - of a list

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_named(name: object) -> AnyKind | None:
    """The kind that a configuration calls so; None where there is none."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def kind_of(settings: CommonSettings) -> AnyKind:
    """The kind that these settings are of."""
    return _BY_NAME[settings.kind]


def open_destination(
    settings: CommonSettings, egress: EgressSettings, heard: ReplyListener | None = None
) -> Destination:
    """The destination; connects to nothing yet. `heard` is told what comes back over HTTP.

    Raises:
        ConfigurationError: Its certificates were not read with a configuration.
    """
    match kind_of(settings):
        case HttpKind() as kind:
            own = kind.own(settings)
            credentials = None if kind.credentials is None else kind.credentials(own)
            return HttpDestination(own, kind.dialect(own), egress.guard(), credentials, heard=heard)
        case OwnKind() as kind:
            told = kind.destination(kind.own(settings), egress.guard())
            return FilledDestination(told, Filling(settings)) if settings.secrets else told
        case _ as never:
            assert_never(never)
