"""What an operator says about the webhook itself."""

from __future__ import annotations

from typing import Literal

from router.fields import Duration, Listen, RelativePath, SettingsModel, Size


class TlsFiles(SettingsModel):
    """A certificate chain and its key as PEM files; read again when they change."""

    certificate: RelativePath
    """The chain, leaf first."""
    key: RelativePath
    """The unencrypted private key of the leaf."""


class WebhookSettings(SettingsModel):
    """Where the API server finds us, and how long a review may take."""

    listen: Listen
    """Address of `/validate` and `/mutate`."""
    tls: Literal["self-signed"] | TlsFiles
    """A certificate of your own, or one made at start for trials (no API server trusts it without its caBundle)."""
    deadline: Duration = 8.0
    """The longest that a review may take; keep it below timeoutSeconds of the webhook configuration. The request's
    own `?timeout=` shortens it."""
    pin_digests: bool = False
    """Whether `/mutate` rewrites a tag to the digest that was proven, where a refusal would be in force."""
    max_body: Size = 32 * 2**20
    """The largest review that is read; larger ones are answered 413. The API server escapes `<`, `>` and `&`, so a
    Pod of 3 MiB makes a body of 18 MiB."""
    csi_image_drivers: tuple[str, ...] = ("container-image.csi.k8s.io", "csi-image.warm-metal.tech")
    """CSI drivers whose inline volumes mount an image (`volumeAttributes.image`): such images are judged, too. The two
    names are those of warm-metal's driver, since and before its version 2."""
