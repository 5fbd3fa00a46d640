"""Docker's `config.json`: which credential is for which registry and repository.

Rules, in order:

1. Only `auths` counts. Credential helpers (`credsStore`, `credHelpers`) are programs; they are never run here.
2. A key is HOST, HOST/PATH or https://HOST/v1/ (the old way); `*` in the host stands for a part of one label. Hosts
   are compared in the canonical form of images (`router.hosts`): the names of Docker Hub are one registry, and
   `Registry.example:443` is `registry.example`.
3. The most specific key wins: an exact host before a glob, then the longest path, then the longest host. A path
   matches whole parts: `host/team` is not for `host/teams/app`.
4. Within an entry: `registrytoken` before `identitytoken` before `auth`, and `auth` before `username` and `password`.

A file that is not of this shape is refused as a whole, by ValueError: half of the credentials would be a riddle
when the other half is wanted. No text of an error holds any value of the file.

Source: docker/cli `cli/config/types/authconfig.go`; Kubernetes, "Images", "Interpretation of config.json".
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from router.errors import InvalidReferenceError
from router.hosts import canonical_registry
from router.outbound.basic import basic_authorization
from router.text import shown

HUB_API = "registry-1.docker.io"
"""Where Docker Hub answers the distribution API."""

_ENTRIES = 1000
_KEY = re.compile(r"(?:https?://)?((?:[A-Za-z0-9*_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)((?:/[^\s]*)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """How to introduce oneself to one registry. No part of it is ever shown, not even by repr()."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """A refresh token: exchanged at the realm by an OAuth 2 POST."""
    registry_token: str = field(default="", repr=False)
    """A bearer token that is sent as it is."""

    @property
    def basic(self) -> str | None:
        """The value of an `Authorization: Basic` header (RFC 7617), or None where there is no user name."""
        if not self.username:
            return None
        return basic_authorization(self.username, self.password)


@dataclass(frozen=True, slots=True)
class _Entry:
    host: re.Pattern[str]
    path: str
    order: tuple[bool, int, int]
    credential: Credential


class Credentials:
    """The credentials of one `config.json`, most specific first."""

    def __init__(self, entries: Mapping[str, Credential] | None = None) -> None:
        """Take credentials by key, as `config.json` writes them; raises ValueError where a key is none."""
        self._entries = sorted((_entry(*item) for item in (entries or {}).items()), key=lambda entry: entry.order)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, registry: str, repository: str) -> Credential | None:
        """The credential for `repository` (a path without host) of `registry` (as images name it), or None."""
        host = _registry(registry)
        for entry in self._entries:
            if entry.host.fullmatch(host) and (not entry.path or f"{repository}/".startswith(f"{entry.path}/")):
                return entry.credential
        return None

    def speaks_of(self, registry: str) -> bool:
        """Whether any entry, for whatever path, is for this registry."""
        host = _registry(registry)
        return any(entry.host.fullmatch(host) for entry in self._entries)


def _registry(host: str) -> str:
    """A host as images name it; what none can name, and a glob, in lower case."""
    try:
        return canonical_registry(host)
    except InvalidReferenceError:
        return host.lower().removesuffix(":443")


def _entry(key: str, credential: Credential) -> _Entry:
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(
            f"{shown(key, 100)} under `auths` is not a valid registry; write HOST, HOST/PATH or https://HOST/v1/"
        )
    host, path = _registry(match[1]), match[2].strip("/")
    if path in {"v1", "v2"}:
        path = ""
    elif path.startswith(("v1/", "v2/")):
        path = path[3:]
    pattern = re.compile(re.escape(host).replace(r"\*", r"[^.:]*"), re.ASCII)
    return _Entry(pattern, path, ("*" in host, -len(path), -len(host)), credential)


def parse_docker_config(content: bytes) -> Credentials:
    """Read a docker `config.json`.

    Raises:
        ValueError: It is not of that shape, or holds no credential; the text says where, never what.
    """
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(
            f"not valid JSON (line {error.lineno}, column {error.colno}); a docker config.json is wanted"
        ) from None
    if document in ({}, {"auths": {}}):  # how tools write "anonymous"
        return Credentials()
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(auths, dict):
        advice = "a docker config.json is wanted, as `docker login` writes it"
        raise ValueError(f'no object under "auths"; {advice}')  # noqa: TRY004 - pydantic reports ValueError
    if len(auths) > _ENTRIES:
        raise ValueError(f'more than {_ENTRIES} entries under "auths"')
    found = {key: credential for key, entry in auths.items() if (credential := _credential(key, entry)) is not None}
    if not found:
        helped = ", and credential helpers (credsStore, credHelpers) are not run here" if _has_helper(document) else ""
        raise ValueError(f'no credential under "auths"{helped}; give username and password, or auth, for a registry')
    return Credentials(found)


def _has_helper(document: Mapping[str, object]) -> bool:
    return bool(document.get("credsStore") or document.get("credHelpers"))


def _credential(key: str, entry: object) -> Credential | None:
    """One entry; None where it is empty, as `docker login` leaves it with a credential helper."""
    place = f"the entry {shown(key, 100)}"
    if not isinstance(entry, dict):
        raise ValueError(f"{place} is not an object")  # noqa: TRY004 - pydantic reports ValueError
    known = ("auth", "username", "password", "identitytoken", "registrytoken")
    texts = {name: entry.get(name) or "" for name in known}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}: {name} is not a text")  # noqa: TRY004 - pydantic reports ValueError
    username, password = _user(place, texts["auth"]) if texts["auth"] else (texts["username"], texts["password"])
    for name in ("identitytoken", "registrytoken"):
        if not texts[name].isascii() or not texts[name].isprintable():
            raise ValueError(f"{place}: {name} holds characters that no token has")
    credential = Credential(username, password, texts["identitytoken"], texts["registrytoken"])
    return None if credential == Credential() else credential


def _user(place: str, auth: str) -> tuple[str, str]:
    try:
        username, found, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError(f"{place}: auth is not valid base64 of USER:PASSWORD") from None
    if not found or not username:
        raise ValueError(f"{place}: auth is not valid base64 of USER:PASSWORD")
    return username, password.rstrip("\0")
