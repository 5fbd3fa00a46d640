"""OpenSearch: documents of ECS in bulk (`router.destinations.bulk`), by user and password.

Sources: OpenSearch, "Bulk", "Data streams"; for the rest those of `bulk`. It has no index template of its own for data
streams of logs: the operator makes one. Requests are not signed as AWS wants it (SigV4).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from router.by_reference import Secret
from router.destinations.bulk import DEDUPLICATES, FORMAT, BulkDialect, BulkSettings, minimal
from router.destinations.kind import HttpKind
from router.outbound.basic import basic_authorization


class OpensearchSettings(BulkSettings):
    """OpenSearch, by the bulk interface, into a data stream."""

    kind: Literal["opensearch"]
    """OpenSearch, by the bulk interface, into a data stream."""
    username: Annotated[str, Field(min_length=1, pattern="^[^:]*$")]
    """Who tells."""
    password: Secret
    """The password of `username`."""


def _dialect(settings: OpensearchSettings) -> BulkDialect:
    return BulkDialect(settings.data_stream, basic_authorization(settings.username, settings.password.reveal()))


KIND = HttpKind(
    settings=OpensearchSettings, dialect=_dialect, format=FORMAT, deduplicates=DEDUPLICATES, minimal=minimal
)
