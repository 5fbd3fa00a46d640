"""The door of the webhook, made anew of every configuration: whose certificate is shown, whose clients are let in."""

from __future__ import annotations

import datetime as dt

from router.admission.settings import TlsFiles, WebhookSettings
from router.pem import Pair
from router.server.certificates import new_context, self_signed
from router.server.entrance import Clients, Entrance, asking
from router.telemetry.logs import logger
from router.tls import show

log = logger()


def trial_pair(host: str) -> Pair:
    """A certificate for trials, on this host; made once, so that who has its CA need not fetch it again."""
    names = dict.fromkeys(["localhost", "127.0.0.1", "gatecrier.gatecrier.svc", host or "localhost"])
    shown = [name for name in names if name not in {"0.0.0.0", "::"}]  # noqa: S104 - not bound, left out
    log.warning("certificate_self_signed", advice="no API server trusts it; give webhook.tls a certificate and key")
    return self_signed(shown, dt.datetime.now(dt.UTC))


def entrance(webhook: WebhookSettings, trial: Pair | None) -> Entrance:
    """The entrance that these settings describe.

    Args:
        webhook: They.
        trial: What is shown where they name no certificate.

    Raises:
        ConfigurationError: Their files were not read with a configuration, or there is nothing to show.
    """
    context, clients = new_context(), webhook.clients
    show(context, webhook.tls.pair if isinstance(webhook.tls, TlsFiles) else trial or trial_pair(webhook.listen.host))
    if clients is None:
        return asking(context, None)
    return asking(context, Clients(clients.authority, None if clients.names is None else frozenset(clients.names)))
