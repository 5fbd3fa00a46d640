"""What is shown at our doors, made anew of every configuration: to the API server, and to other replicas."""

from __future__ import annotations

import datetime as dt

from router.admission.settings import TlsFiles, WebhookSettings
from router.errors import ConfigurationError
from router.pem import KeyPair
from router.replicas.identity import ReplicaIdentity, identity
from router.server.certificates import new_context, self_signed
from router.server.entrance import Clients, Entrance, asking
from router.settings.tree import Settings
from router.telemetry.logs import logger
from router.tls import show

log = logger()


def trial_for(webhook: WebhookSettings, before: KeyPair | None) -> KeyPair | None:
    """The certificate for trials that these settings want: the one of before, so that nobody fetches its CA anew."""
    if webhook.tls != "self-signed" or before is not None:
        return before
    names = dict.fromkeys(["localhost", "127.0.0.1", "gatecrier.gatecrier.svc", webhook.listen.host or "localhost"])
    shown = [name for name in names if name not in {"0.0.0.0", "::"}]  # noqa: S104 - not bound, left out
    log.warning("certificate_self_signed", advice="no API server trusts it; give webhook.tls a certificate and key")
    return self_signed(shown, dt.datetime.now(dt.UTC))


def identity_for(settings: Settings) -> ReplicaIdentity | None:
    """By what other replicas know us; None where none collects events, and where the keeper has it of its own.

    Raises:
        ConfigurationError: There is no certificate that all replicas could share.
    """
    tls = settings.webhook.tls
    if settings.incidents.collector is None:
        return None
    if tls == "self-signed":
        advice = "give webhook.tls the certificate and key that all replicas have"
        raise ConfigurationError(
            f"incidents.collector: replicas know each other by the webhook's certificate; {advice}"
        )
    return identity(tls.pair) if isinstance(tls, TlsFiles) else None


def awaiting() -> KeyPair:
    """What is shown until there is a managed certificate: nobody trusts it, and nobody is told that we are ready."""
    return self_signed(["localhost"], dt.datetime.now(dt.UTC))


def entrance(webhook: WebhookSettings, pair: KeyPair | None) -> Entrance:
    """The entrance that these settings describe.

    Args:
        webhook: They.
        pair: What is shown where they name no certificate.

    Raises:
        ConfigurationError: Their files were not read with a configuration, or there is nothing to show.
    """
    context, clients = new_context(), webhook.clients
    pair = webhook.tls.pair if isinstance(webhook.tls, TlsFiles) else pair
    if pair is None:
        raise ConfigurationError("webhook.tls: there is no certificate to show")
    show(context, pair)
    if clients is None:
        return asking(context, None)
    return asking(context, Clients(clients.authority, None if clients.names is None else frozenset(clients.names)))
