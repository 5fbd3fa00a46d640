"""Syslog: records of RFC 5424, CEF or LEEF, in packets, on a connection, or on one with TLS.

Sources: RFC 5424 (the record), RFC 5425 (TLS: octet counting, port 6514), RFC 5426 (UDP: a packet holds one record),
RFC 6587 (TCP: octet counting, clause 3.4.1, and a line break behind each, clause 3.4.2). Not confirmed: the longest
record that QRadar takes (4,096 bytes by TCP and 1,024 by UDP, by hearsay), and of which length any other collector
does; RFC 5425 wants 8,192 to be taken, RFC 5426 2,048.

Rules:
(1) A record is made of what the template says, by `formats`, within `max_size`: nothing here is refused.
(2) There is no receipt in syslog: see `router.destinations.wires` for what counts as one.
(3) The connection is kept, and made anew where it has ended; what fails is tried again, and nothing is given up before
    `give_up_after`, for nothing that fails here is the event's fault.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from router.destinations.document import Document
from router.destinations.kind import OwnKind
from router.destinations.kinds.syslog.formats import (
    APP_LIMIT,
    CODE_LIMIT,
    HOST_LIMIT,
    LEAST_BYTES,
    Record,
    Sender,
    SyslogFormat,
    line_of,
)
from router.destinations.outcome import Delivered, Outcome
from router.destinations.settings import ClientCertificate
from router.destinations.socket_settings import SocketSettings
from router.destinations.wires import Datagrams, Stream, Wire, attempted
from router.fields import Duration, Size
from router.outbound.addresses import AddressGuard
from router.outbound.connecting import Connector
from router.rendering.markup import cut_chars
from router.rendering.minimal import MESSAGE_LIMIT, Because, message_of, severity_of
from router.rendering.values import as_json
from router.tls import show

DATAGRAM_BYTES, RECORD_BYTES, MOST_BYTES = 1024, 8192, 1024 * 1024
"""The default of packets, that of connections, and the most that anybody can say."""
MOST_DATAGRAM_BYTES = 65_507
"""What a packet of UDP over IPv4 can hold."""


class SyslogSettings(SocketSettings):
    """A syslog collector or a SIEM, by UDP, TCP or TLS."""

    kind: Literal["syslog"]
    """A syslog collector or a SIEM, by UDP, TCP or TLS; as RFC 5424, CEF or LEEF."""
    transport: Literal["tls", "tcp", "udp"] = "tls"
    """How records go there. Only `tls` keeps them from being read and changed on the way, and only it knows the
    receiver."""
    framing: Literal["octet_counting", "newline"] = "octet_counting"
    """How records are told apart on a connection: by their length before each, or by a line break behind each."""
    format: SyslogFormat = SyslogFormat.RFC5424
    """What a record looks like: `rfc5424`, `cef` or `leef`."""
    facility: Annotated[int, Field(ge=0, le=23)] = 13
    """The facility of RFC 5424; 13 is the log audit."""
    app_name: Annotated[str, Field(pattern=rf"^[\x21-\x7e]{{1,{APP_LIMIT}}}$")] = "gatecrier"
    """What records say that they come from."""
    hostname: Annotated[str, Field(pattern=rf"^[\x21-\x7e]{{1,{HOST_LIMIT}}}$")] | None = None
    """The host that records say that they come from; the cluster where it is absent."""
    structured_data: (
        Annotated[str, Field(pattern=rf"^[!#-<>?A-\\^-~]{{1,{CODE_LIMIT - 2}}}@[0-9.]{{1,30}}$")] | None
    ) = None
    """The id of the element that holds the fields, NAME@NUMBER with an enterprise number of your own; where it is
    absent they stand behind the message."""
    bom: bool = False
    """Whether a byte order mark says that the message is UTF-8, as RFC 5424 asks; many collectors show it."""
    max_size: Annotated[Size, Field(ge=LEAST_BYTES, le=MOST_BYTES)] = RECORD_BYTES
    """Bytes of a record, beyond which it is cut; 1KiB where `transport` is `udp`."""
    client_certificate: ClientCertificate | None = None
    """A certificate that we show, with `tls`."""
    timeout: Duration = 10.0
    """How long one attempt may take, connecting included."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        said = self.model_fields_set
        if self.transport != "tls" and (only := sorted({"ca", "client_certificate"} & said)):
            raise ValueError(f"`{only[0]}` is of TLS; leave it out, or say `transport: tls`")
        if self.transport == "udp" and self.must_deliver:
            raise ValueError("nobody says that a packet has arrived; drop `must_deliver`, or say `transport: tls`")
        if self.transport == "udp" and "framing" in said:
            raise ValueError("a packet holds one record, and has no `framing`; leave it out")
        if self.transport == "udp" and self.max_size > MOST_DATAGRAM_BYTES:
            raise ValueError(f"a packet has {MOST_DATAGRAM_BYTES}B at most; say a smaller `max_size`")
        if self.format is SyslogFormat.LEEF and "app_name" in said:
            raise ValueError("the header of LEEF has no `app_name`; leave it out")
        if self.format is not SyslogFormat.RFC5424 and (only := sorted({"structured_data", "bom"} & said)):
            raise ValueError(f"`{only[0]}` is of `format: rfc5424`; leave it out")
        return self

    @property
    def record_bytes(self) -> int:
        """Bytes of a record."""
        is_default = self.transport == "udp" and "max_size" not in self.model_fields_set
        return DATAGRAM_BYTES if is_default else self.max_size

    @property
    def note(self) -> tuple[str, str] | None:
        """Where anybody can read and change what is sent."""
        if self.transport == "tls":
            return None
        return "transport", f"anybody on the way can read and change what goes by {self.transport}; tls keeps it"


class SyslogDestination:
    """Sends records."""

    concurrency = 16
    """How many records may be on their way at once; they share one connection."""
    batch_size = 1
    linger = 0.0
    batch_bytes = sys.maxsize

    def __init__(self, settings: SyslogSettings, guard: AddressGuard) -> None:
        self.name = settings.name
        self.give_up_after = settings.give_up_after
        self._timeout = settings.timeout
        self._format = settings.format
        self._sender = _sender(settings)
        self._frame = _FRAMES["udp" if settings.transport == "udp" else settings.framing]
        self._wire = _wire(settings, Connector(guard))

    async def deliver(self, documents: Sequence[Document]) -> Outcome:
        """Send the record of this document."""
        record = line_of(Record.of(documents[0].body), self._sender, self._format)
        return await attempted(self._sent(self._frame(record)), self._timeout)

    async def _sent(self, message: bytes) -> Outcome:
        await self._wire.send(message)
        return Delivered()

    async def close(self) -> None:
        """End the connection."""
        await self._wire.close()


def _sender(settings: SyslogSettings) -> Sender:
    return Sender(
        facility=settings.facility,
        app_name=settings.app_name,
        hostname=settings.hostname or "",
        structured_data=settings.structured_data or "",
        has_bom=settings.bom,
        size=settings.record_bytes,
    )


def sent(settings: SyslogSettings, document: Document) -> bytes:
    """The record, without what tells it apart from others."""
    return line_of(Record.of(document.body), _sender(settings), settings.format)


_FRAMES: Mapping[str, Callable[[bytes], bytes]] = {
    "udp": lambda record: record,
    "octet_counting": lambda record: b"%d %b" % (len(record), record),
    "newline": lambda record: record + b"\n",
}


def _wire(settings: SyslogSettings, connector: Connector) -> Wire:
    if settings.transport == "udp":
        return Datagrams(connector, settings.address)
    if settings.transport == "tcp":
        return Stream(connector, settings.address, None)
    context = settings.tls()
    if settings.client_certificate is not None:
        show(context, settings.client_certificate.pair)
    return Stream(connector, settings.address, context)


def minimal(cloudevent: Mapping[str, Any], because: Because) -> tuple[bytes, str]:
    """The sentence, and why there is no more."""
    data = cloudevent.get("data") or {}
    incident = data.get("incident") or {}
    record = {
        "severity": severity_of(cloudevent) or "medium",
        "time": cloudevent.get("time"),
        "event": "GATECRIER_SHORTENED",
        "name": "Gatecrier, shortened",
        "message": cut_chars(message_of(cloudevent), MESSAGE_LIMIT),
        "fields": {
            "cluster": data.get("cluster") or incident.get("cluster"),
            "event": cloudevent.get("id"),
            "incident": incident.get("id"),
            "shortened": str(because),
        },
    }
    return as_json(record), "application/json"


KIND = OwnKind(settings=SyslogSettings, destination=SyslogDestination, minimal=minimal, sent=sent)
