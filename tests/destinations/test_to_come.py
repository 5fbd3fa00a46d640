"""Kinds that are to come: refused by name, with what to do meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.destinations.catalogue import KINDS
from router.destinations.to_come import KINDS_TO_COME
from tests.settings.configurations import SMALL, refused

CONTRACT = [
    "sysdig",
    "slack",
    "webhook",
    "file",
    "sysdig_monitor",
    "splunk_hec",
    "elasticsearch",
    "opensearch",
    "sentinel",
    "google_secops",
    "datadog",
    "datadog_events",
    "sumo_logic",
    "loki",
    "new_relic",
    "otlp",
    "falcosidekick",
    "syslog",
    "teams",
    "discord",
    "google_chat",
    "mattermost",
    "rocket_chat",
    "pagerduty",
    "opsgenie",
    "jsm",
    "alertmanager",
    "jira",
    "servicenow",
    "smtp",
    "nats",
    "kafka",
    "aws_sqs",
    "aws_sns",
    "aws_eventbridge",
    "aws_s3",
    "aws_security_hub",
    "google_pubsub",
    "apprise",
]
"""Every kind that operators were promised, there or to come."""


def test_every_kind_of_the_contract_is_there_or_to_come() -> None:
    assert sorted([*(kind.name for kind in KINDS), *KINDS_TO_COME]) == sorted(CONTRACT)


@pytest.mark.parametrize("name", KINDS_TO_COME)
def test_what_is_to_come_is_refused_by_name_with_what_to_do_meanwhile(name: str, tmp_path: Path) -> None:
    """Its own keys are no mistakes of their own, whichever kind has a name that is nearly the same."""
    there = "{name: archive, kind: file, path: events.jsonl}"
    text = refused(tmp_path, SMALL.replace(there, f"{there}, {{name: it, kind: {name}, region: eu, topic: x}}"))

    (line,) = [one for one in text.splitlines() if "destinations" in one]
    assert "destinations[1].kind (it)" in line
    assert f'"{name}" is not there yet; expected one of sysdig, slack' in line
    assert "`kind: webhook`" in line
