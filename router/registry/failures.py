"""What a failed exchange means: which error of ours it is, whether to try again, and whose doing it was.

Rules:

1. Failures that may pass become `TransientError`.
2. `unreachable` is the registry's doing only where a connection to one of its addresses was attempted, or stood, and
   the other side refused it, broke it off or let it wait. No name, no trust in its certificate, a proxy that fails, a
   network of ours that is down: none of these is. Nor is a connection that took too long while this loop was held up.
3. Where we have no descriptor, port or memory left, it is `overloaded`: whoever makes us run out of them must not make
   others' images tolerable.
"""

from __future__ import annotations

import errno
import re
import socket

import aiohttp

from router.errors import MalformedAnswerError, OverloadedError, UnreachableError, UnverifiableError
from router.registry.answers import TransientError

CONNECT_SECONDS = 3.0
"""For an address to take the connection and to agree on TLS."""
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_THEIRS = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EPIPE,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.EHOSTDOWN,
    }
)
"""What the other side, or the way to it, does to a connection."""
_EXHAUSTED = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.EAGAIN, errno.ENOSR}
)
"""What says that we have nothing left to connect with."""
_CODE = re.compile(r"\[Errno ([0-9]{1,4})\]", re.ASCII)


def failure_of(
    error: aiohttp.ClientError | OSError | ValueError, what: str, *, is_direct: bool, held_up: float = 0.0
) -> TransientError | UnverifiableError:
    """What a failed exchange means to us; this loop was held up for so many seconds meanwhile."""
    match error:
        case OSError() if _codes(error) & _EXHAUSTED:
            return OverloadedError(f"{what}: nothing left to connect with ({_cause(error)})")
        case aiohttp.ClientConnectorError() | aiohttp.ClientSSLError():
            return _no_connection(error, what, is_direct=is_direct)
        case aiohttp.ConnectionTimeoutError():
            text = f"{what}: no connection within {CONNECT_SECONDS:.0f} s"
            had_time = held_up < CONNECT_SECONDS / 2
            return TransientError(UnreachableError(text, is_registrys_doing=is_direct and had_time))
        case aiohttp.ClientResponseError():
            is_the_proxys = isinstance(error, aiohttp.ClientHttpProxyError)
            told = f"the proxy answers {error.status}" if is_the_proxys else "the answer is not valid HTTP"
            return (UnreachableError if is_the_proxys else MalformedAnswerError)(f"{what}: {told}")
        case aiohttp.InvalidURL() | ValueError():
            return UnreachableError(f"{what}: no address that can be connected to")
        case _:
            text = f"{what}: the connection broke off ({type(error).__name__})"
            is_theirs = not isinstance(error, OSError) or _is_theirs(error)
            return TransientError(UnreachableError(text, is_registrys_doing=is_direct and is_theirs))


def _no_connection(
    error: aiohttp.ClientConnectorError, what: str, *, is_direct: bool
) -> TransientError | UnverifiableError:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return UnreachableError(f"{what}: the certificate of {error.host} is not trusted ({error.certificate_error})")
    cause = _cause(error.os_error)
    match error:
        case aiohttp.ClientSSLError():
            return UnreachableError(f"{what}: no TLS with {error.host}:{error.port} ({cause})")
        case aiohttp.ClientConnectorDNSError() if error.os_error.errno in _NO_SUCH_NAME:
            return UnreachableError(f"{what}: no address is known for {error.host}")
        case aiohttp.ClientConnectorDNSError():
            return TransientError(UnreachableError(f"{what}: {error.host} can't be looked up ({cause})"))
        case aiohttp.ClientProxyConnectionError():
            return TransientError(UnreachableError(f"{what}: the proxy can't be reached ({cause})"))
        case _:
            text = f"{what}: can't connect to {error.host}:{error.port} ({cause})"
            is_theirs = is_direct and _is_theirs(error.os_error)
            return TransientError(UnreachableError(text, is_registrys_doing=is_theirs))


def _cause(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _is_theirs(error: OSError) -> bool:
    """Whether the other side did it; of several addresses, one family of which may have no route here, at least one."""
    codes = _codes(error)
    return bool(codes & _THEIRS) and codes <= _THEIRS | {errno.ENETUNREACH}


def _codes(error: OSError) -> set[int]:
    """The numbers of an error; one that stands for the failures of several addresses has them in its text only."""
    while isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if error.errno is not None:
        return {error.errno}
    return {int(code) for code in _CODE.findall(str(error))}
