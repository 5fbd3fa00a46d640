"""How an API server is found: what is taken of a kubeconfig, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from router.errors import ClusterError, ConfigurationError
from router.fields import ReadingContext
from router.kubernetes.access import Access, in_cluster
from router.kubernetes.settings import KubeconfigSettings, KubernetesSettings
from router.pem import KeyPair
from router.settings.snapshot import read_file
from tests.simulators.certificates import self_signed

SIGNED = self_signed()
CA = base64.b64encode(SIGNED.certificate).decode()
CLUSTER: dict[str, Any] = {"server": "https://10.0.0.1:6443", "certificate-authority-data": CA}
USER: dict[str, Any] = {"token": "abc"}


def written(folder: Path, cluster: object = CLUSTER, user: object = USER, **whole: object) -> Path:
    document = {
        "current-context": "here",
        "clusters": [{"name": "other", "cluster": {}}, {"name": "c", "cluster": cluster}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}, {"name": "empty", "context": None}],
        "users": [{"name": "u", "user": user}],
        **whole,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def read(path: Path, folder: Path, **more: object) -> Access:
    context = ReadingContext(folder, {}, read_file)
    settings = KubeconfigSettings.model_validate({"kubeconfig": str(path), **more}, context={"reading": context})
    return settings.access


def test_a_token_and_the_authorities_are_taken(tmp_path: Path) -> None:
    found = read(written(tmp_path), tmp_path)

    assert found == Access("https://10.0.0.1:6443", SIGNED.certificate.decode(), token="abc")
    assert "abc" not in repr(found)


@pytest.mark.parametrize("by", ["data", "folded", "file"])
def test_a_certificate_is_taken_from_the_text_or_from_files_beside_the_kubeconfig(tmp_path: Path, by: str) -> None:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "tls.crt").write_bytes(SIGNED.certificate)
    (folder / "tls.key").write_bytes(SIGNED.key)
    user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    if by != "file":  # what a program folds, kubectl takes, too
        encode = base64.b64encode if by == "data" else base64.encodebytes
        user = {f"{key}-data": encode((folder / name).read_bytes()).decode() for key, name in user.items()}
    path = written(folder, user=user, cluster={**CLUSTER, "tls-server-name": "kubernetes"})
    found = read(path, tmp_path)

    assert found.pair == KeyPair(SIGNED.certificate, SIGNED.key)
    assert found.server_name == "kubernetes"


def test_a_token_in_a_file_is_read_when_it_is_needed(tmp_path: Path) -> None:
    """It is replaced while we run; that file of a kubeconfig goes before a token in it."""
    found = read(written(tmp_path, user={"tokenFile": "there/token", "token": "old"}), tmp_path)

    assert found.token == tmp_path / "there" / "token"


REFUSED_USERS: list[tuple[object, str]] = [
    ({"exec": {"command": "aws"}}, 'the user "u" has exec: no program is run to log in; use a service account'),
    ({"auth-provider": {"name": "gcp"}}, "auth-provider"),
    ({"username": "me", "password": "x"}, "no passwords"),
    ({"token": "abc", "as": "root"}, "impersonation"),
    ({}, "neither a certificate nor a token"),
    ({"client-certificate-data": CA}, "one of client-certificate and client-key"),
    ({"client-certificate-data": "!", "client-key-data": CA}, "no base64"),
    ({"client-certificate": "none.crt", "client-key": "none.key"}, "can't be read"),
    ({"token": 7}, "token is no text"),
    ("abc", "is no map"),
]


@pytest.mark.parametrize(("user", "said"), REFUSED_USERS)
def test_a_user_that_can_not_be_is_refused_by_name(tmp_path: Path, user: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read(written(tmp_path, user=user), tmp_path)


@pytest.mark.parametrize(
    "server",
    [None, "", "http://10.0.0.1", "https://", "https://a/path", "https://u:p@a", "https://a?x", "https://a:x", 7],
)
def test_a_server_is_https_and_nothing_else(tmp_path: Path, server: object) -> None:
    with pytest.raises(ValidationError, match="server"):
        read(written(tmp_path, {**CLUSTER, "server": server}), tmp_path)


@pytest.mark.parametrize("key", ["insecure-skip-tls-verify", "proxy-url"])
def test_a_cluster_is_asked_directly_and_proves_who_it_is(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValidationError, match=f"has {key}: "):
        read(written(tmp_path, {**CLUSTER, key: "true"}), tmp_path)


@pytest.mark.parametrize(
    ("context", "said"), [("none", 'has no context "none"'), ("empty", "is no map"), ("here", "has no cluster")]
)
def test_what_is_named_must_be_there(tmp_path: Path, context: str, said: str) -> None:
    path = written(tmp_path, clusters=7)

    with pytest.raises(ValidationError, match=said):
        read(path, tmp_path, context=context)


@pytest.mark.parametrize("content", [b"\xff", b"a: [", b"", b"[]", b"{}", b"[" * 5000])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(content)

    with pytest.raises(ValidationError, match="kubeconfig"):
        read(path, tmp_path)


def test_what_was_not_read_has_no_access() -> None:
    with pytest.raises(ConfigurationError, match="was not read"):
        _ = KubeconfigSettings(kubeconfig=Path("kubeconfig")).access


def test_by_default_a_pod_asks_as_itself(tmp_path: Path) -> None:
    context = ReadingContext(tmp_path, {}, read_file)
    elsewhere = KubernetesSettings.model_validate(
        {"api": {"kubeconfig": str(written(tmp_path))}}, context={"reading": context}
    )

    assert elsewhere.access({}).server == "https://10.0.0.1:6443"
    with pytest.raises(ClusterError, match="this is no Pod"):
        KubernetesSettings().access({})


@pytest.mark.parametrize("host", ["10.96.0.1", "fd00::1"])
def test_a_pod_finds_the_api_server_by_its_variables(tmp_path: Path, host: str) -> None:
    (tmp_path / "token").write_text("abc")
    (tmp_path / "namespace").write_text("security")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    shown = f"[{host}]" if ":" in host else host

    assert in_cluster(environment, tmp_path) == Access(
        f"https://{shown}:443", tmp_path / "ca.crt", token=tmp_path / "token", namespace="security"
    )


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "KUBERNETES_SERVICE_HOST"),
        ({"KUBERNETES_SERVICE_HOST": "a", "KUBERNETES_SERVICE_PORT": "tcp"}, "KUBERNETES_SERVICE_HOST"),
        ({"KUBERNETES_SERVICE_HOST": "a"}, "automountServiceAccountToken"),
    ],
)
def test_elsewhere_that_is_said(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    with pytest.raises(ClusterError, match=said) as caught:
        in_cluster(environment, tmp_path)
    assert caught.value.cause == "unconfigured"
