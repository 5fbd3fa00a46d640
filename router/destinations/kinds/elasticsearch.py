"""Elasticsearch: documents of ECS in bulk (`router.destinations.bulk`), by an API key or by user and password.

Sources: Elastic, "Create API key" (`Authorization: ApiKey`, the base64 of `id:key`); for the rest those of `bulk`. The
key needs `create_doc` and `auto_configure` for the data stream. Not confirmed: that a repetition is refused as one
(409) after a rollover.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from router.by_reference import Secret
from router.destinations.bulk import DEDUPLICATES, FORMAT, BulkDialect, BulkSettings, minimal
from router.destinations.kind import HttpKind
from router.destinations.settings import checked_token
from router.outbound.basic import basic_authorization


class ElasticsearchSettings(BulkSettings):
    """Elasticsearch, by the bulk interface, into a data stream."""

    kind: Literal["elasticsearch"]
    """Elasticsearch, by the bulk interface, into a data stream."""
    api_key: Secret | None = None
    """An API key in base64, as Kibana shows it; or give `username` and `password`."""
    username: Annotated[str, Field(min_length=1, pattern="^[^:]*$")] | None = None
    """Who tells, with `password`."""
    password: Secret | None = None
    """The password of `username`."""
    pipeline: Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,255}$")] | None = None
    """The ingest pipeline that documents pass."""

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        is_basic = self.username is not None and self.password is not None
        if (self.username is None) != (self.password is None) or (self.api_key is None) != is_basic:
            raise ValueError("name `api_key`, or `username` and `password`")
        checked_token("" if self.api_key is None else self.api_key.reveal())
        return self

    @property
    def authorization(self) -> str:
        """The value of the header."""
        if self.api_key is not None:
            return f"ApiKey {self.api_key.reveal()}"
        return basic_authorization(self.username or "", "" if self.password is None else self.password.reveal())


def _dialect(settings: ElasticsearchSettings) -> BulkDialect:
    return BulkDialect(settings.data_stream, settings.authorization, settings.pipeline or "")


KIND = HttpKind(
    settings=ElasticsearchSettings, dialect=_dialect, format=FORMAT, deduplicates=DEDUPLICATES, minimal=minimal
)
