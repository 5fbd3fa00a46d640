"""Hands a mail to a server by SMTP: blocking, for a thread of its own.

Sources: RFC 5321 (replies: 4yz may pass, 5yz will not; one for each recipient), RFC 6409 (submission), RFC 3207
(STARTTLS), RFC 8314 (TLS from the beginning), RFC 4954 (AUTH: 530, 534, 535 and 538 refuse us).

Rules:
(1) Connections are made to addresses that were judged before; no name is looked up here.
(2) A password goes nowhere but through TLS that has vouched for the server; where STARTTLS is asked for and not
    offered, nothing is sent.
(3) What a server says in one connection has at most `REPLIES_LIMIT` bytes.
(4) A mail is taken when the reply to its end says so; what fails after that (QUIT) changes nothing.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from router.destinations.socket_settings import SocketEndpoint

REPLIES_LIMIT = 256 * 1024
"""Bytes."""
TAKEN = 250
_READY = 220
Answers: TypeAlias = Mapping[str, tuple[int, bytes]]
"""Code and text of the reply by recipient; one that is missing was not asked."""


class TlsMissingError(Exception):
    """The server takes no TLS on this connection."""


class GreetingError(smtplib.SMTPResponseException):
    """The server does not want to talk."""


@dataclass(frozen=True, slots=True)
class MailAccount:
    """How a server is talked to."""

    endpoint: SocketEndpoint
    security: Literal["starttls", "tls", "none"]
    tls: ssl.SSLContext
    username: str
    """Empty where we do not introduce ourselves."""
    password: str
    timeout: float
    """Seconds for each step."""

    def __repr__(self) -> str:
        return f"Account({self.endpoint})"


class Posting:
    """One mail on its way; `answers` is there once the server has said who gets it."""

    def __init__(self, account: MailAccount, sender: str, recipients: Sequence[str], content: bytes) -> None:
        self.answers: Answers | None = None
        self._account = account
        self._sender = sender
        self._recipients = recipients
        self._content = content
        self._client: _Client | None = None
        self._is_given_up = False

    def post(self, addresses: Sequence[str]) -> None:
        """Hand it over.

        Raises:
            OSError: No connection, or it ended; `smtplib.SMTPException` and `ssl.SSLError` are such, what the server
                refuses is the former.
            TlsMissingError: Rule 2.
        """
        client = self._client = _Client(self._account)
        try:
            client.open(addresses)
            if self._is_given_up:
                return
            client.introduce()
            try:
                refused = client.sendmail(self._sender, list(self._recipients), self._content)
                self.answers = {**dict.fromkeys(self._recipients, (TAKEN, b"")), **refused}
            except smtplib.SMTPRecipientsRefused as error:
                self.answers = error.recipients
            with suppress(OSError):
                client.quit()
        finally:
            client.close()

    def give_up(self) -> None:
        """End the connection, from whatever thread: what is waited for ends with it."""
        self._is_given_up = True
        connection = None if self._client is None else self._client.sock
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Client(smtplib.SMTP):
    """Connects to addresses by whose name TLS asks for a certificate, and reads no more than it must."""

    sock: socket.socket | None  # of the base class: until it is closed

    def __init__(self, account: MailAccount) -> None:
        # A name of ours, or it would look one up, which may take for ever.
        super().__init__(local_hostname="localhost", timeout=account.timeout)
        self._account = account
        self._host = account.endpoint.host  # by which `starttls` asks for a certificate

    def open(self, addresses: Sequence[str]) -> None:
        """Connect to the first address that takes it."""
        failure: OSError | None = None
        for address in addresses:
            try:
                code, words = self.connect(address, self._account.endpoint.port)
            except smtplib.SMTPException:
                raise
            except OSError as error:
                failure = error
                continue
            if code != _READY:
                raise GreetingError(code, words)
            return
        raise failure or OSError("the name has no address")

    def introduce(self) -> None:
        """Say who we are, by TLS where that is asked for."""
        account = self._account
        if account.security == "starttls":
            try:
                self.ehlo()
                self.starttls(context=account.tls)
            except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
                raise TlsMissingError from error
        self.ehlo_or_helo_if_needed()
        if account.username:
            self.login(account.username, account.password)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self.local_hostname = _literal(connection)
        if self._account.security != "tls":
            return connection
        try:
            return self._account.tls.wrap_socket(connection, server_hostname=self._host)
        except OSError:
            connection.close()
            raise

    def getreply(self) -> tuple[int, bytes]:
        """A reply, by a file that ends (rule 3)."""
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """A file that ends after so many bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = REPLIES_LIMIT

    def readline(self, size: int) -> bytes:
        line = self._file.readline(min(size, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._file.close()


def _literal(connection: socket.socket) -> str:
    """How we call ourselves: our address, for we need have no name (RFC 5321, clause 4.1.3)."""
    address = connection.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
