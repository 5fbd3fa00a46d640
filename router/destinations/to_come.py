"""Kinds of destination that are to come: whoever names one is told so, and what takes its place meanwhile. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS_TO_COME: Final = (
    "sysdig_monitor",
    "google_secops",
    "datadog_events",
    "sumo_logic",
    "loki",
    "new_relic",
    "falcosidekick",
    "discord",
    "google_chat",
    "mattermost",
    "rocket_chat",
    "opsgenie",
    "jsm",
    "servicenow",
    "nats",
    "kafka",
    "aws_sqs",
    "aws_sns",
    "aws_eventbridge",
    "aws_s3",
    "aws_security_hub",
    "google_pubsub",
    "apprise",
)
"""What they will be called. A kind that comes leaves this list: no name is in both."""
MEANWHILE = (
    "tell it by `kind: webhook`, with a template of yours and its headers, or by what forwards a webhook to it "
    "(docs/destinations.md)"
)


def named_to_come() -> Mapping[str, str]:
    """What to do instead, by name."""
    return dict.fromkeys(KINDS_TO_COME, MEANWHILE)
