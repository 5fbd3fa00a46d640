"""How the API server is found and who we are to it: as a Pod's service account, or by a kubeconfig.

Rules:
(1) In a cluster it is found by the variables that every container has, and trusted by the CA beside the token; both are
    read when they are needed, not with the configuration, which may be checked elsewhere.
(2) A token in a file is read again when it is `TOKEN_AGE` old, and at once after a 401: the kubelet replaces it while
    the old one still counts. One that can't be read is no reason to drop the one that is known.
(3) A CA in a file is read again when nobody there can be trusted by the one that is known.
(4) Files are bounded, and what errors show of them is their path.

Source: Kubernetes, "Accessing the Kubernetes API from a Pod", and "Managing Service Accounts" (bound tokens).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from router.errors import ClusterError
from router.pem import KeyPair

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts the service account of a Pod."""
TOKEN_AGE = 60.0
"""Seconds after which a token is read again; it is replaced when a fifth of its life is left."""
FILE_LIMIT = 1024 * 1024
"""Bytes of a token or of a bundle of CAs."""
_TOKEN = re.compile(r"[!-~]{1,65536}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, and what we show it."""

    server: str
    """Its URL: https, no path, no query."""
    authorities: str | Path | None = None
    """The only CAs that may vouch for it, as PEM or in a file; the system's where it is None."""
    server_name: str | None = None
    """The name that its certificate must have, where it is not that of the URL."""
    token: str | Path | None = field(default=None, repr=False)
    """A bearer token, or the file that holds it."""
    pair: KeyPair | None = None
    """A client certificate and its key."""
    namespace: str | None = None
    """Ours, where that is said."""


def in_cluster(environment: Mapping[str, str], folder: Path = ACCOUNT) -> Access:
    """The access of a Pod's service account.

    Raises:
        ClusterError: This runs in no Pod, or in one without a service account.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or _PORT.fullmatch(port) is None:
        raise ClusterError(
            "kubernetes.api is in-cluster, and KUBERNETES_SERVICE_HOST and _PORT name no API server: this is no Pod; "
            "write kubernetes: {api: {kubeconfig: FILE}}",
            cause="unconfigured",
        )
    if not (folder / "token").exists():
        raise ClusterError(
            f"kubernetes.api is in-cluster, and there is no {folder / 'token'}; set automountServiceAccountToken: true "
            "in the Pod's specification",
            cause="unconfigured",
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(
        server, authorities=folder / "ca.crt", token=folder / "token", namespace=_namespace(folder / "namespace")
    )


def _namespace(path: Path) -> str | None:
    return read_bounded(path).decode(errors="replace").strip() if path.exists() else None


def read_bounded(path: Path) -> bytes:
    """The whole of a file that the kubelet or the operator keeps; raises ClusterError."""
    try:
        with path.open("rb") as file:
            found = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ClusterError(f"{path} can't be read: {error.strerror}", cause="unconfigured") from error
    if len(found) > FILE_LIMIT:
        raise ClusterError(f"{path} has more than {FILE_LIMIT} bytes", cause="unconfigured")
    return found


def read_token(path: Path) -> str:
    """The token in a file; raises ClusterError."""
    text = read_bounded(path).decode("ascii", "replace").strip()
    if _TOKEN.fullmatch(text) is None:
        raise ClusterError(f"{path} holds no token: one line of visible ASCII", cause="unconfigured")
    return text
