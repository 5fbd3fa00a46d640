"""Who we are to a receiver that asks as HTTP does: user and password (RFC 7617), or a token (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from router.by_reference import Secret
from router.destinations.settings import HttpSettings, checked_token, revealed
from router.outbound.basic import basic_authorization

AUTHORIZATION = "Authorization"


class CredentialSettings(HttpSettings):
    """Of destinations over HTTP that may want to know who we are."""

    username: Annotated[str, StringConstraints(pattern=r"^[^:\x00-\x1f]{1,200}$")] | None = None
    """With `password`: who we are, by Basic authentication."""
    password: Secret | None = None
    """With `username`, by reference."""
    bearer: Secret | None = None
    """A token, by reference, instead of `username` and `password`."""

    @model_validator(mode="after")
    def _says_once_who_we_are(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` go together")
        if len(ways := self.ways) > 1:
            raise ValueError(f"name {ways[0]} or {ways[1]}, not both")
        for name in self.headers:
            if ways and name.lower() == AUTHORIZATION.lower():
                raise ValueError(f"`headers`: {name!r} is set by Gatecrier, of {ways[0]}; drop one")
        if self.bearer is not None and self.bearer.is_read:
            checked_token(self.bearer.reveal())
        return self

    @property
    def ways(self) -> Sequence[str]:
        """The settings that say who we are, in words: each of them does alone."""
        said = {"`bearer`": self.bearer, "`username` and `password`": self.username}
        return [name for name, value in said.items() if value is not None]

    @property
    def authorization(self) -> dict[str, str]:
        """The header that says so; none where nothing is said."""
        if self.bearer is not None:
            return {AUTHORIZATION: f"Bearer {self.bearer.reveal()}"}
        if self.username is not None:
            return {AUTHORIZATION: basic_authorization(self.username, revealed(self.password))}
        return {}
