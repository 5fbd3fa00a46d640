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


class Door:
    """Makes entrances; the certificate for trials is made once, so that who has its CA need not fetch it again."""

    def __init__(self) -> None:
        self._trial: Pair | None = None

    def entrance(self, webhook: WebhookSettings) -> Entrance:
        """The entrance that these settings describe.

        Raises:
            ConfigurationError: Their files were not read with a configuration.
        """
        context, clients = new_context(), webhook.clients
        pair = webhook.tls.pair if isinstance(webhook.tls, TlsFiles) else self._self_signed(webhook.listen.host)
        show(context, pair)
        if clients is None:
            return asking(context, None)
        return asking(context, Clients(clients.authority, None if clients.names is None else frozenset(clients.names)))

    def _self_signed(self, host: str) -> Pair:
        if self._trial is None:
            names = dict.fromkeys(["localhost", "127.0.0.1", "gatecrier.gatecrier.svc", host or "localhost"])
            shown = [name for name in names if name not in {"0.0.0.0", "::"}]  # noqa: S104 - not bound, left out
            self._trial = self_signed(shown, dt.datetime.now(dt.UTC))
            advice = "no API server trusts it; give webhook.tls a certificate and key"
            log.warning("certificate_self_signed", advice=advice)
        return self._trial
