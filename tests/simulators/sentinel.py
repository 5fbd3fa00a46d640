"""Azure, as far as its documentation says: an authorization server, and a stream of a data collection rule.

Sources: "Logs Ingestion API", "Service limits"; RFC 6749, clauses 4.4 and 5. It answers 204 to columns that the stream
does not have and to texts that it cuts: both are `lost`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs

from tests.simulators.sinks import Receipt, answer

TENANT, CLIENT, SECRET = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", "s3cret-s3cret"
RULE, STREAM = "dcr-0123456789abcdef", "Custom-Gatecrier_CL"
TOKEN_PATH = f"/{TENANT}/oauth2/v2.0/token"
PATH = f"/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01"
_TYPES: Mapping[str, Callable[[object], bool]] = {
    "string": lambda one: isinstance(one, str),
    "boolean": lambda one: isinstance(one, bool),
    "int": lambda one: isinstance(one, int) and not isinstance(one, bool),
    "datetime": lambda one: isinstance(one, str) and bool(datetime.fromisoformat(one)),
    "dynamic": lambda one: isinstance(one, dict | list),
}


@dataclass
class Azure:
    """One application that may write to one stream."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """The stream's columns and their types; empty: whatever comes."""
    life: object = 3599
    """What it says of a token's life."""
    proof: Mapping[str, str] = field(default_factory=lambda: {"client_secret": SECRET})
    records: list[dict[str, object]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Why something was dropped or cut."""
    tokens: list[str] = field(default_factory=list)
    """Every token that was granted; the last one counts."""
    fails: list[bytes] = field(default_factory=list)
    """What the authorization server answers next instead of a token."""

    def behave(self, receipt: Receipt) -> bytes:
        """What is answered to a request."""
        return self._grant(receipt) if receipt.path == TOKEN_PATH else self._take(receipt)

    def _grant(self, receipt: Receipt) -> bytes:
        if self.fails:
            return self.fails.pop(0)
        asked = {name: values[0] for name, values in parse_qs(receipt.body.decode()).items()}
        wanted = {"grant_type": "client_credentials", "client_id": CLIENT, **self.proof}
        if any(asked.get(name) != value for name, value in wanted.items()):
            return answer("401 Unauthorized", json.dumps({"error": "invalid_client", **asked}).encode())
        if asked.get("scope") != "https://monitor.azure.com/.default":
            return answer("400 Bad Request", b'{"error":"invalid_scope"}')
        self.tokens.append(f"eyJ0eXAi.{'t' * 40}.{len(self.tokens)}")
        told = {"token_type": "Bearer", "expires_in": self.life, "access_token": self.tokens[-1]}
        return answer("200 OK", json.dumps(told).encode())

    def _take(self, receipt: Receipt) -> bytes:
        if not self.tokens or receipt.headers.get("authorization") != f"Bearer {self.tokens[-1]}":
            return answer("401 Unauthorized", f"bad {receipt.headers.get('authorization')}".encode())
        if receipt.path != PATH:
            return answer("404 Not Found", b'{"error":{"code":"NotFound"}}')
        if len(receipt.body) > 1_000_000:
            return answer("413 Payload Too Large")
        try:
            records = json.loads(receipt.body)
        except ValueError:
            records = None
        if receipt.headers.get("content-type") != "application/json" or not isinstance(records, list) or not records:
            return answer("400 Bad Request", b'{"error":{"code":"InvalidArray"}}')
        if not all(self._is_record(one) for one in records):
            return answer("400 Bad Request", b'{"error":{"code":"InvalidRecord"}}')
        self.records += records
        self.lost += [name for record in records for name, value in record.items() if self._is_lost(name, value)]
        return answer("204 No Content")

    @staticmethod
    def _is_record(record: object) -> bool:
        if not isinstance(record, dict):
            return False
        try:
            return _TYPES["datetime"](record.get("TimeGenerated"))
        except ValueError:
            return False

    def _is_lost(self, name: str, value: object) -> bool:
        size = len(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        if size > 65_536:
            return True
        if not self.columns or value is None:
            return False
        return name not in self.columns or not _TYPES[self.columns[name]](value)
