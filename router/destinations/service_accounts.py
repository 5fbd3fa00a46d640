"""A service account, by the key that is kept of it, and what an authorization server is asked for it. Pure.

Sources: RFC 7523, clauses 2.1 (a JWT as the grant) and 3 (what it says); RFC 7515, clause 7.1, and RFC 7518, clause 3.3
(how it is written and signed); Google, "Using OAuth 2.0 for server to server applications" (the file, the claims).

Rules:
(1) The file says who we are (`client_email`), where tokens are granted (`token_uri`) and by which key we prove it.
(2) An assertion is signed for each call, and serves for `LIFE`: nobody can use a stolen one for longer.
(3) Of the file the private key alone is a secret; nothing of it is repeated in an error.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self
from urllib.parse import urlencode

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import PrivateAttr, model_validator

from router.by_reference import Secret
from router.destinations.dialect import Post
from router.destinations.grants import FORM

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = 3600
"""Seconds; the most that Google takes."""
LEAST_BITS = 2048
_NO_KEY = (
    "is no key of a service account: a JSON file with `type: service_account`, `client_email`, `private_key` (RSA, of "
    "2048 bits or more) and `token_uri`, as the cloud's console or `gcloud iam service-accounts keys create` makes it"
)
_EXTERNAL = "is an `external_account` file (workload identity), which is not taken yet; make a key of a service account"
_AROUND = re.compile("-----[^-]*-----")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Who asks, where, and by which key."""

    email: str
    token_uri: str
    key: rsa.RSAPrivateKey = field(repr=False)
    key_id: str = ""

    @classmethod
    def of(cls, text: str) -> ServiceAccount:
        """The account of a key file; raises ValueError where it is none."""
        try:
            found = orjson.loads(text)
        except ValueError:
            raise ValueError(_NO_KEY) from None
        match found:
            case {
                "type": "service_account",
                "client_email": str(email),
                "token_uri": str(uri),
                "private_key": str(pem),
            } if email and uri:
                return cls(email, uri, _key(pem), str(found.get("private_key_id") or ""))
            case {"type": "external_account"}:
                raise ValueError(_EXTERNAL)
            case _:
                raise ValueError(_NO_KEY)


def _key(pem: str) -> rsa.RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(_NO_KEY) from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < LEAST_BITS:
        raise ValueError(_NO_KEY)
    return key


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """Tokens are granted for an assertion that we sign."""

    account: ServiceAccount
    scopes: Sequence[str]
    file: ClassVar[None] = None

    @property
    def url(self) -> str:
        """The token endpoint."""
        return self.account.token_uri

    def request(self, _content: str | None, now: float) -> Post:
        """The call, with an assertion of this time (seconds since 1970)."""
        body = urlencode({"grant_type": GRANT, "assertion": self._assertion(int(now))})
        return Post(body.encode("ascii"), FORM, url=self.url)

    def _assertion(self, now: int) -> str:
        key_id = {"kid": self.account.key_id} if self.account.key_id else {}
        claims = {
            "iss": self.account.email,
            "scope": " ".join(self.scopes),
            "aud": self.url,
            "iat": now,
            "exp": now + LIFE,
        }
        signed = b".".join(_encoded(orjson.dumps(one)) for one in ({"alg": "RS256", "typ": "JWT", **key_id}, claims))
        signature = self.account.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return b".".join((signed, _encoded(signature))).decode("ascii")


def _encoded(value: bytes) -> bytes:
    """As RFC 7515, clause 2, writes bytes."""
    return base64.urlsafe_b64encode(value).rstrip(b"=")


class ServiceAccountKey(Secret):
    """The key of a service account by reference: `{file: PATH}` or `{env: NAME}`, a JSON document as clouds make it."""

    has_one_line = False
    _account: ServiceAccount | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _is_key(self) -> Self:
        if self.is_read:
            self._account = ServiceAccount.of(self.reveal())
        return self

    @property
    def account(self) -> ServiceAccount | None:
        """Whose key it is; None where it was not read."""
        return self._account

    @property
    def hidden(self) -> frozenset[str]:
        """The private key, without what stands around it in every such file."""
        if not self.is_read:
            return frozenset()
        # Lines end as JSON, or whoever has pasted it, has written them; a key is taken without line breaks, too.
        return frozenset(_AROUND.sub(" ", orjson.loads(self.reveal())["private_key"]).split())
