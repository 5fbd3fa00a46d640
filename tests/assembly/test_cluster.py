"""What the running router asks of the cluster's API, of one that plays."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from router.assembly.cluster import ClusterInForce
from router.certificates.keeping import Names
from router.errors import ClusterError, ConfigurationError
from router.fields import ReadingContext
from router.kubernetes.settings import KubernetesSettings
from router.settings.snapshot import read_file
from tests.assembly.small import Place
from tests.patience import PATIENCE
from tests.simulators.certificates import self_signed
from tests.simulators.kubernetes import KubernetesSimulator
from tests.simulators.log import Log


def kubeconfig(path: Path, server: str, certificate: bytes, token: str) -> None:
    """Write one."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(certificate).decode()}
    document = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(json.dumps(document))


async def until_asked(api: KubernetesSimulator, method: str) -> bytes:
    """The body of the first question of this method."""
    async with asyncio.timeout(PATIENCE):
        while method not in (asked := [one for one, _, _ in api.requests]):
            await api.arrived.wait()
        return api.bodies[asked.index(method)]


async def test_who_describes_an_object_is_told_what_was_refused(tmp_path: Path) -> None:
    """By the API server that the configuration names after a reload, too."""
    signed, api = self_signed(), KubernetesSimulator(token="abc")
    async with api.running(signed.server_context(tmp_path)):
        kubeconfig(tmp_path / "kubeconfig", api.server, signed.certificate, "abc")
        place = Place(tmp_path)
        async with place.running() as router:
            await place.ask("r.example/shop/web:1")
            place.write(kubernetes={"api": {"kubeconfig": "kubeconfig"}, "events": True})
            await router.reload()
            await place.ask("r.example/shop/web:2", namespace="shop")
            body = json.loads(await until_asked(api, "POST"))

    assert [path for _, path, _ in api.requests] == ["/apis/events.k8s.io/v1/namespaces/shop/events"]
    assert body["regarding"]["kind"] == "Pod"
    assert "r.example/shop/web:2" in body["note"]


async def test_namespaces_are_looked_at_where_webhooks_go_by_a_label(tmp_path: Path, log: Log) -> None:
    """The API server does not know what the file enforces: whoever started it is told which namespaces those are."""
    signed, api = self_signed(), KubernetesSimulator(token="abc")
    api.put("/api/v1/namespaces", {"metadata": {"name": "payments"}})
    async with api.running(signed.server_context(tmp_path)):
        kubeconfig(tmp_path / "kubeconfig", api.server, signed.certificate, "abc")
        enforcement = {"label": "gatecrier.dev/mode", "namespaces": {"payments": "enforce"}}
        place = Place(tmp_path, enforcement=enforcement, kubernetes={"api": {"kubeconfig": "kubeconfig"}})
        async with place.running(), asyncio.timeout(PATIENCE):
            while not log.named("namespaces_unlabelled"):  # noqa: ASYNC110 - a log tells nobody that it has grown
                await asyncio.sleep(0.02)

    assert log.named("namespaces_unlabelled")[0]["namespaces"] == ["payments"]


async def test_without_a_section_the_api_is_never_asked() -> None:
    cluster = ClusterInForce({"KUBERNETES_SERVICE_HOST": "127.0.0.1"})

    with pytest.raises(ClusterError, match="no `kubernetes` in the configuration"):
        cluster.get()


async def test_connections_are_kept_until_the_configuration_names_others(tmp_path: Path) -> None:
    def settings(token: str) -> KubernetesSettings:
        kubeconfig(tmp_path / "kubeconfig", "https://127.0.0.1:1", b"", token)
        context = ReadingContext(tmp_path, {}, read_file)
        return KubernetesSettings.model_validate({"api": {"kubeconfig": "kubeconfig"}}, context={"reading": context})

    cluster = ClusterInForce({})
    found = []
    for token in ("abc", "abc", "def"):
        await cluster.replace(settings(token))
        found.append(cluster.get())
    await cluster.replace(KubernetesSettings())
    with pytest.raises(ClusterError, match="this is no Pod"):
        cluster.get()

    assert found[0] is found[1]
    assert found[1] is not found[2]


@pytest.mark.parametrize(
    ("replica", "namespace", "name"),
    [("gatecrier-0", "security", "gatecrier"), ("a-b-12", "security", "a-b"), ("laptop", "x", None), ("a-0", "", None)],
)
async def test_what_the_chart_has_called_things_follows_from_the_replica(
    tmp_path: Path, replica: str, namespace: str, name: str | None
) -> None:
    path = tmp_path / "kubeconfig"
    kubeconfig(path, "https://127.0.0.1:1", b"", "abc")
    document = json.loads(path.read_text())
    document["contexts"][0]["context"]["namespace"] = namespace
    path.write_text(json.dumps(document))
    context = ReadingContext(tmp_path, {}, read_file)
    cluster = ClusterInForce({})
    await cluster.replace(
        KubernetesSettings.model_validate({"api": {"kubeconfig": "kubeconfig"}}, context={"reading": context})
    )
    if name is None:
        with pytest.raises(ClusterError, match="NAME-0, NAME-1"):
            cluster.names(replica)
    else:
        assert cluster.names(replica) == Names(name, namespace)


async def test_a_managed_certificate_is_for_the_whole_product(tmp_path: Path) -> None:
    place = Place(tmp_path, kubernetes={})
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": "managed"})
    with pytest.raises(ConfigurationError, match="`gatecrier serve`"):
        async with place.running():
            pass
