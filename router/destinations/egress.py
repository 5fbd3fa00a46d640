"""Where events may be sent: never to metadata and link-local addresses, to private ones only where that is said."""

from __future__ import annotations

from router.fields import Network, SettingsModel
from router.outbound.addresses import AddressGuard


class EgressSettings(SettingsModel):
    """Which addresses destinations may have, beyond public ones."""

    allow: tuple[Network, ...] = ()
    """Networks with private or loopback addresses that destinations may have, such as `10.0.0.0/8`. Metadata and
    link-local addresses are never allowed."""

    def guard(self) -> AddressGuard:
        """Who judges the addresses of destinations and of their proxies."""
        return AddressGuard(self.allow)
