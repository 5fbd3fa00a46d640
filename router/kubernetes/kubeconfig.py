"""Reads what a kubeconfig says about one context. Pure but for the reader of files that it is given.

Taken are certificates and keys (as data or files), `token` and `tokenFile`, `tls-server-name`. Everything else that
says who we are or whom we believe is refused by its name, with what to write instead: a program that would have to be
run (`exec`, `auth-provider`), passwords, impersonation, a proxy, and `insecure-skip-tls-verify`.

A relative path is relative to the kubeconfig. A `tokenFile` is not read here: its token is replaced while we run.

Source: Kubernetes, "kubeconfig (v1)".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import yaml

from router.kubernetes.access import Access
from router.outbound.urls import read_url
from router.pem import KeyPair
from router.text import shown

Map: TypeAlias = Mapping[object, object]
ReadFile: TypeAlias = Callable[[Path], bytes]
"""Reads a file that the kubeconfig names; raises ValueError with what to show."""

_INSTEAD = "use a service account: `kubectl create token NAME` makes a token for `token` or `tokenFile`"
_REFUSED_OF_USER = {
    "exec": f"no program is run to log in; {_INSTEAD}",
    "auth-provider": f"no plugin logs in; {_INSTEAD}",
    "username": f"API servers take no passwords; {_INSTEAD}",
    "password": f"API servers take no passwords; {_INSTEAD}",
    "as": "impersonation is not supported; name the user itself",
    "as-uid": "impersonation is not supported; name the user itself",
    "as-groups": "impersonation is not supported; name the user itself",
    "as-user-extra": "impersonation is not supported; name the user itself",
}
_REFUSED_OF_CLUSTER = {
    "insecure-skip-tls-verify": "who answers must prove who it is; write certificate-authority-data",
    "proxy-url": "the API server is asked without a proxy; name an address that is reached directly",
}


def access_by(content: bytes, context: str | None, folder: Path, read: ReadFile) -> Access:
    """What a kubeconfig says about a context.

    Args:
        content: The file.
        context: The name of the context; `current-context` where it is None.
        folder: Where the file lies.
        read: Reads files that it names.

    Raises:
        ValueError: It can't be used; the text says where, why, and what to write.
    """
    try:
        document: object = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"is no YAML: {str(error).splitlines()[0]}") from error
    whole = _map(document, "the whole")
    name = context if context is not None else _text(whole, "current-context", "the whole")
    if name is None:
        raise ValueError("has no current-context; name one: {kubeconfig: FILE, context: NAME}")
    chosen = _named(whole, "contexts", "context", name)
    place = f"the context {shown(name)}"
    cluster_name, user_name = (_text(chosen, key, place) or "" for key in ("cluster", "user"))
    cluster, user = _named(whole, "clusters", "cluster", cluster_name), _named(whole, "users", "user", user_name)
    of_cluster, of_user = f"the cluster {shown(cluster_name)}", f"the user {shown(user_name)}"
    _refuse(cluster, of_cluster, _REFUSED_OF_CLUSTER)
    _refuse(user, of_user, _REFUSED_OF_USER)

    authorities = _data(cluster, "certificate-authority", of_cluster, folder, read)
    certificate = _data(user, "client-certificate", of_user, folder, read)
    key = _data(user, "client-key", of_user, folder, read)
    if (certificate is None) != (key is None):
        raise ValueError(f"{of_user} has one of client-certificate and client-key; it needs both")
    token, token_file = _text(user, "token", of_user), _text(user, "tokenFile", of_user)
    if certificate is None and token is None and token_file is None:
        raise ValueError(f"{of_user} has neither a certificate nor a token; {_INSTEAD}")
    return Access(
        _server(_text(cluster, "server", of_cluster), of_cluster),
        authorities=None if authorities is None else _ascii(authorities, of_cluster),
        server_name=_text(cluster, "tls-server-name", of_cluster),
        token=token if token_file is None else folder / token_file,
        pair=None if certificate is None or key is None else KeyPair(certificate, key),
        namespace=_text(chosen, "namespace", place),
    )


def _server(text: str | None, place: str) -> str:
    try:
        url = read_url(text or "")
        is_right = url.scheme == "https" and bool(url.host) and url.raw_path in ("", "/") and url == url.with_user(None)
        is_right = is_right and not url.raw_query_string and not url.raw_fragment
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"{place}: server {shown(text or '')} is not https://HOST:PORT, which is what is asked")
    return str(url.origin())


def _refuse(found: Map, place: str, refused: Mapping[str, str]) -> None:
    for key, advice in refused.items():
        if found.get(key):
            raise ValueError(f"{place} has {key}: {advice}")


def _data(found: Map, key: str, place: str, folder: Path, read: ReadFile) -> bytes | None:
    """What stands at KEY-data in base64, or else in the file at KEY."""
    if (data := _text(found, f"{key}-data", place)) is not None:
        try:
            return base64.b64decode(data.replace("\n", "").replace("\r", ""), validate=True)  # as kubectl reads it
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"{place}: {key}-data is no base64") from error
    path = _text(found, key, place)
    return None if path is None else read(folder / path)


def _ascii(content: bytes, place: str) -> str:
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: certificate-authority is no PEM") from error


def _named(whole: Map, plural: str, singular: str, name: str) -> Map:
    listed = whole.get(plural)
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("name") == name:
            return _map(one.get(singular), f"the {singular} {shown(name)}")
    raise ValueError(f"has no {singular} {shown(name)}")


def _map(value: object, place: str) -> Map:
    if not isinstance(value, dict):
        raise ValueError(f"{place} is no map")  # noqa: TRY004 - pydantic reports ValueError
    return value


def _text(found: Map, key: str, place: str) -> str | None:
    value = found.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{place}: {key} is no text")  # noqa: TRY004 - pydantic reports ValueError
    return value
