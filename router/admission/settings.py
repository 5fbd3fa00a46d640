"""What an operator says about the webhook itself."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, model_validator

from router.by_reference import RelativePath
from router.fields import Duration, Listen, OnlyAtStart, SettingsModel, Size, duration_text
from router.pem import PairSettings, read_authorities

STOPPING = 28.0
"""Seconds from SIGTERM to the end: two less than the 30 after which Kubernetes kills."""
LEAST_DELIVERY = 2.0
"""Seconds of them that running deliveries get at least."""


class TlsFiles(PairSettings):
    """A certificate chain and its key as PEM files; read again when they change."""


class ClientsSettings(SettingsModel):
    """Who may ask: holders of a client certificate."""

    ca: RelativePath
    """A PEM file of the only CAs whose client certificates are let in; read again when it changes."""
    names: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] | None, Field(min_length=1)] = None
    """Common names or DNS names, one of which the certificate must have, letter for letter (DNS names in any case);
    others are answered 403. Absent: any certificate of these CAs."""
    _authority: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _read(self, info: ValidationInfo) -> Self:
        self._authority = read_authorities(self.ca, info) or ""
        return self

    @property
    def authority(self) -> str:
        """The PEM of `ca`; empty where it was not read."""
        return self._authority


class DrivenSettings(SettingsModel):
    """What in an object is an image."""

    csi_image_drivers: tuple[str, ...] = ("container-image.csi.k8s.io", "csi-image.warm-metal.tech")
    """CSI drivers whose inline volumes mount an image (`volumeAttributes.image`): such images are judged, too. The two
    names are those of warm-metal's driver, since and before its version 2."""


class ListeningSettings(SettingsModel):
    """Where the API server finds us, and how long a review may take."""

    listen: Annotated[Listen, OnlyAtStart()]
    """Address of `/validate`, `/mutate` and `/modes`. A change needs a restart."""
    tls: Literal["managed", "self-signed"] | TlsFiles
    """A certificate of your own; `managed`: our own CA and certificate, kept in a Secret and renewed (docs/cluster.md);
    `self-signed`: one made at start for trials (no API server trusts it without its caBundle)."""
    clients: ClientsSettings | None = None
    """Whose client certificates are let in; absent: whoever reaches the port is answered. The API server shows one only
    where it has been given one."""
    processes: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=16)], OnlyAtStart()] = "auto"
    """How many processes judge requests. `auto`: one for each CPU that may be used but one, at least 1 and at most 4,
    and no more than the memory limit of the container is enough for. A change needs a restart."""
    deadline: Duration = 8.0
    """The longest that a review may take; keep it below timeoutSeconds of the webhook configuration. The request's
    own `?timeout=` shortens it."""
    linger: Duration = 5.0
    """How long requests are still taken after SIGTERM: endpoints take that long to change everywhere. With `deadline`
    at most 26s, so that running deliveries have 2s more before Kubernetes kills at 30s."""
    pin_digests: bool = False
    """Whether `/mutate` rewrites a tag to the digest that was proven, where a refusal would be in force."""
    resolve_tags_every: Annotated[Duration, Field(ge=0, le=300)] = 5.0
    """For how long an answer about what a tag points to serves further requests of `/validate` in detect, where nothing
    is written or refused; `0s`: never. What is refused or pinned is always asked anew."""
    max_body: Annotated[Size, OnlyAtStart()] = 32 * 2**20
    """The largest review that is read; larger ones are answered 413. The API server escapes `<`, `>` and `&`, so a
    Pod of 3 MiB makes a body of 18 MiB. A change needs a restart."""

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        most = STOPPING - LEAST_DELIVERY
        if self.linger + self.deadline > most:
            raise ValueError(
                f"`linger` ({duration_text(self.linger)}) and deadline ({duration_text(self.deadline)}) are more than "
                f"{duration_text(most)} together, and Kubernetes kills 30s after SIGTERM; shorten one of them"
            )
        return self

    def patience_of_delivery(self, most: float) -> float:
        """Seconds that running deliveries get after SIGTERM, at most so many."""
        return min(most, STOPPING - self.linger - self.deadline)


class WebhookSettings(DrivenSettings, ListeningSettings):
    """Where the API server asks, how long an answer may take, and what is looked for."""
