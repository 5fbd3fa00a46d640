"""The client against a real API server, by a kubeconfig and as a service account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from router.errors import ClusterError
from router.fields import ReadingContext
from router.kubernetes import client as client_module
from router.kubernetes.access import Access, in_cluster
from router.kubernetes.client import Cluster, Json, ObjectSelection, PatchKind
from router.kubernetes.resources import ApiObject, Resource
from router.kubernetes.settings import KubeconfigSettings
from router.kubernetes.watching import Gone, ListBegins, Listed, Present, changes
from router.settings.snapshot import read_file
from tests.kubernetes.shapes import CONFIG_MAPS, NAMESPACES, lowest
from tests.simulators.kube_apiserver import ApiServer, needs_api_server

pytestmark = needs_api_server


class Token(ApiObject, frozen=True):
    """What a TokenRequest answers."""

    status: dict[str, str]


SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", ApiObject)
TOKENS = Resource("", "v1", "serviceaccounts/gatecrier/token", Token)


@pytest.fixture
async def cluster(api_server: ApiServer) -> AsyncIterator[Cluster]:
    async with Cluster(access_by(api_server.kubeconfig), dice=lowest) as opened:
        yield opened


def access_by(kubeconfig: Path) -> Access:
    context = ReadingContext(kubeconfig.parent, {}, read_file)
    settings = KubeconfigSettings.model_validate({"kubeconfig": str(kubeconfig)}, context={"reading": context})
    return settings.access


def named(name: str, **more: Json) -> Json:
    return {"metadata": {"name": name}, **more}


async def test_objects_are_made_read_changed_and_watched(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, named("story"))
    heard: list[str] = []
    async with aclosing(changes(cluster, CONFIG_MAPS, ObjectSelection("story"))) as found:
        async for change in found:
            match change:
                case ListBegins():
                    pass
                case Listed():
                    await cluster.create(CONFIG_MAPS, named("one", data={"a": "1"}), "story")
                case Present(one) if not heard:
                    heard.append(one.metadata.name)
                    await cluster.patch(CONFIG_MAPS, "one", {"metadata": {"labels": {"is": "changed"}}}, "story")
                case Present(one):
                    heard.append(str(one.metadata.labels))
                    break
                case other:
                    pytest.fail(str(other))

    assert heard == ["one", "{'is': 'changed'}"]


async def test_lists_have_pages_whose_size_may_change_in_between(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty objects of 20 KB do not fit into an answer of 100 KB, and each is seen all the same."""
    await cluster.create(NAMESPACES, named("pages"))
    for number in range(30):
        size = 20_000 if number >= 10 else 10
        await cluster.create(CONFIG_MAPS, named(f"map-{number:02}", data={"x": "x" * size}), "pages")
    monkeypatch.setattr(client_module, "ANSWER_LIMIT", 100_000)
    monkeypatch.setattr(client_module, "PAGE", 10)
    pages = [page async for page in cluster.pages(CONFIG_MAPS, ObjectSelection("pages"))]

    assert [one.metadata.name for page in pages for one in page.objects] == [f"map-{n:02}" for n in range(30)]
    assert [page.is_first for page in pages] == [True] + [False] * (len(pages) - 1)
    assert {len(page.objects) for page in pages} > {10}
    assert len({page.resource_version for page in pages}) == 1


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (PatchKind.MERGE, {"data": {"a": "2"}}),
        (PatchKind.STRATEGIC, {"data": {"a": "2"}}),
        (
            PatchKind.JSON,
            [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/a", "value": "2"}],
        ),
    ],
)
async def test_every_kind_of_patch_is_taken(cluster: Cluster, kind: PatchKind, patch: Json) -> None:
    made = await cluster.create(NAMESPACES, named(f"patch-{kind.name.lower()}"))
    await cluster.create(CONFIG_MAPS, named("one", data={"a": "1"}), made.metadata.name)
    before = await cluster.get(CONFIG_MAPS, "one", made.metadata.name)
    after = await cluster.patch(CONFIG_MAPS, "one", patch, made.metadata.name, kind)

    assert after.metadata.resource_version != before.metadata.resource_version


async def test_refusals_have_their_causes(cluster: Cluster) -> None:
    await cluster.create(NAMESPACES, named("refusals"))
    made = await cluster.create(CONFIG_MAPS, named("one"), "refusals")
    await cluster.patch(CONFIG_MAPS, "one", {"data": {"a": "1"}}, "refusals")
    stale: Json = {"metadata": {"name": "one", "resourceVersion": made.metadata.resource_version}}
    asked = {
        "not_found": cluster.get(CONFIG_MAPS, "none", "refusals"),
        "conflict": cluster.replace(CONFIG_MAPS, "one", stale, "refusals"),
        "refused": cluster.create(CONFIG_MAPS, named("Not A Name"), "refusals"),
    }
    found = dict[str, str]()
    for cause, asking in asked.items():
        with pytest.raises(ClusterError) as caught:
            await asking
        found[cause] = caught.value.cause

    assert found == {cause: cause for cause in asked}


async def test_nothing_is_missed_while_the_api_server_is_away(cluster: Cluster, api_server: ApiServer) -> None:
    """A new one knows nothing of versions of before its start: the watch is told 410, or goes on."""
    await cluster.create(NAMESPACES, named("anew"))
    await cluster.create(CONFIG_MAPS, named("stays"), "anew")
    known, restarted = set[str](), False
    async with aclosing(changes(cluster, CONFIG_MAPS, ObjectSelection("anew"))) as found, asyncio.timeout(120):
        async for change in found:
            match change:
                case Present(one):
                    known.add(one.metadata.name)
                case Gone(one):
                    known.discard(one.metadata.name)
                case _:
                    pass
            if isinstance(change, Listed) and not restarted:
                restarted = True
                await asyncio.to_thread(api_server.stop, "kube-apiserver")
                api_server.start(["--disable-admission-plugins=ServiceAccount"])
                await asyncio.to_thread(api_server.until_ready)
                await cluster.create(CONFIG_MAPS, named("new"), "anew")
            if known == {"stays", "new"}:
                break

    assert restarted


async def test_a_service_account_is_let_in_by_its_token(
    cluster: Cluster, api_server: ApiServer, tmp_path: Path
) -> None:
    await cluster.create(NAMESPACES, named("accounts"))
    await cluster.create(SERVICE_ACCOUNTS, named("gatecrier"), "accounts")
    asked: Json = {"spec": {"expirationSeconds": 600}}
    token = (await cluster.create(TOKENS, asked, "accounts")).status["token"]
    (tmp_path / "ca.crt").write_bytes(api_server.authority.certificate)
    (tmp_path / "token").write_text("a-token-of-before")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api_server.port)}
    async with Cluster(in_cluster(environment, tmp_path), dice=lowest) as ours:
        with pytest.raises(ClusterError) as stranger:
            await ours.get(NAMESPACES, "accounts")
        (tmp_path / "token").write_text(token)
        with pytest.raises(ClusterError, match="system:serviceaccount:accounts:gatecrier") as known:
            await ours.get(NAMESPACES, "accounts")

    assert (stranger.value.cause, known.value.cause) == ("unauthorised", "forbidden")
