"""Datadog's intake of logs (v2), as far as its documentation says: what it refuses, and what it loses without a word.

Source: "Send logs". It answers 202 to a log that it cuts, and to one that it drops because it is too old.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulators.sinks import Receipt, answer

PATH = "/api/v2/logs"
STATUSES = {"emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"}


@dataclass
class Datadog:
    """One organisation with one key."""

    api_key: str
    now: float = 0.0
    """Seconds since 1970."""
    logs: list[dict[str, object]] = field(default_factory=list)
    """What can be found there."""
    lost: list[str] = field(default_factory=list)
    """Why something was cut or dropped."""

    def behave(self, receipt: Receipt) -> bytes:
        """What it answers to a request."""
        if receipt.headers.get("dd-api-key") != self.api_key:
            return answer("403 Forbidden", b'{"errors":[{"status":"403","title":"Forbidden"}]}')
        if len(receipt.body) > 5_000_000:
            return answer("413 Payload Too Large")
        logs = json.loads(receipt.body)
        if (
            receipt.headers.get("content-type") != "application/json"
            or not isinstance(logs, list)
            or not 0 < len(logs) <= 1000
        ):
            return answer("400 Bad Request")
        if found := [one for log in logs for one in mistakes(log)]:
            return answer("400 Bad Request", json.dumps({"errors": [{"title": one} for one in found]}).encode())
        for log in logs:
            self._keep(log)
        return answer("202 Accepted", b"{}")

    def _keep(self, log: dict[str, object]) -> None:
        if len(json.dumps(log, ensure_ascii=False, separators=(",", ":")).encode()) > 1_000_000:
            self.lost.append("cut")
        if (
            isinstance(time := log.get("timestamp"), str)
            and self.now - datetime.fromisoformat(time).timestamp() > 64_800
        ):
            self.lost.append("old")
            return
        self.logs.append(log)


def mistakes(log: object) -> list[str]:
    """What is wrong with a log."""
    if not isinstance(log, dict):
        return ["no object"]
    texts: Mapping[str, object] = {
        name: log[name] for name in ("message", "ddsource", "ddtags", "hostname", "service") if name in log
    }
    return [
        *(["message"] if not log.get("message") else []),
        *(name for name, one in texts.items() if not isinstance(one, str)),
    ]
