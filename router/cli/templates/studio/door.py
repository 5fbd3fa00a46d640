"""Who may ask the studio: the browser that opened the URL at the terminal, and only from the studio's own page. Pure.

Any page in any browser of this machine, and any program of any of its users, can reach a port on loopback.

Rules, in this order:
(1) The request names us by our address: a name that somebody makes lead here (DNS rebinding) is none of ours. Browsers
    leave out a port that is that of the scheme, here and in `Origin` (RFC 9110, clause 4.2.1; RFC 6454, clause 6.2).
(2) It comes from no other page: `Origin` is ours where there is one, and there is one in every POST; `Sec-Fetch-Site`,
    where a browser says it, is neither `cross-site` nor `same-site` (that is another port), but for the URL of (3),
    which may be followed from anywhere.
(3) The token of the URL is good for one browser, once: it becomes a cookie that no script reads and that no other site
    has sent along (`HttpOnly`, `SameSite=Strict`). Everything else is answered to that cookie alone.
(4) A POST is JSON by its type, which no form can send.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_OF_HTTP = 80
_NOT_OPENED = "open the URL that the terminal shows, in one browser; for another browser, start the studio anew"
_FROM_ELSEWHERE = frozenset({"cross-site", "same-site"})


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True)
class Door:
    """One studio's."""

    port: int
    _token: str = field(default_factory=_secret, repr=False)
    _session: str = field(default_factory=_secret, repr=False)
    _is_taken: bool = False

    @property
    def origin(self) -> str:
        """What browsers call us."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """What is opened, once."""
        return f"{self.origin}/?token={self._token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie: browsers keep those of all ports together."""
        return f"gatecrier-studio-{self.port}"

    def take(self, token: str) -> str | None:
        """The cookie's value, for the token of the URL (3); None where that is none, or was taken."""
        if self._is_taken or not _is_equal(token, self._token):
            return None
        self._is_taken = True
        return self._session

    def refusal(self, verb: str, headers: Mapping[str, str], cookie: str, *, is_opening: bool = False) -> str:
        """Why a request is not answered; empty where it is. Names of headers have any case in `headers`."""
        origin, posted = headers.get("Origin"), headers.get("Content-Type", "").partition(";")[0].strip()
        ours = {f"{HOST}:{self.port}", *([HOST] if self.port == _OF_HTTP else [])}
        origins = {f"http://{one}" for one in ours}
        is_post, site = verb == "POST", headers.get("Sec-Fetch-Site")
        reasons = (
            (headers.get("Host") not in ours, f"open the studio at {self.origin}"),
            (origin not in origins and (is_post or origin is not None), "another page asks"),
            (site in _FROM_ELSEWHERE and not is_opening, "another page asks"),
            (not is_opening and not _is_equal(cookie, self._session), _NOT_OPENED),
            (is_post and posted != "application/json", "what is posted is no JSON"),
        )
        return next((text for is_so, text in reasons if is_so), "")


def _is_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode())
