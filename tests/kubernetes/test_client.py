"""What the client makes of an API server that behaves, and of one that does not. Nothing here waits for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from router.errors import ClusterError
from router.kubernetes import client as client_module
from router.kubernetes.access import Access
from router.kubernetes.client import ATTEMPTS, PAGE, Cluster, ObjectSelection, PatchKind
from router.kubernetes.connection import STATUS_LIMIT
from router.kubernetes.patience import LAST_CEILING, LEAST, LONGEST_ASKED, delay
from router.kubernetes.resources import Resource
from tests.kubernetes.shapes import PODS, SHOP, lowest, pod
from tests.simulators.certificates import self_signed
from tests.simulators.kubernetes import Fault, KubernetesSimulator, status


@pytest.fixture
async def api() -> AsyncIterator[KubernetesSimulator]:
    async with KubernetesSimulator().running() as simulator:
        yield simulator


@pytest.fixture
async def cluster(api: KubernetesSimulator) -> AsyncIterator[Cluster]:
    async with Cluster(api.access(), dice=lowest) as opened:
        yield opened


def once(answer: Fault) -> Fault:
    """This answer, and then the true ones."""
    left = [answer]
    return lambda request: left.pop()(request) if left else None


async def test_an_object_is_made_read_and_changed(api: KubernetesSimulator, cluster: Cluster) -> None:
    made = await cluster.create(PODS, pod("web"), "shop")
    await cluster.patch(PODS, "web", {"metadata": {"labels": {"app": "web"}}}, "shop")
    found = await cluster.get(PODS, "web", "shop")

    assert found.metadata.labels == {"app": "web"}
    assert found.metadata.namespace == "shop"
    assert found.metadata.resource_version != made.metadata.resource_version
    assert all(query["fieldManager"] == "gatecrier" for method, _, query in api.requests if method != "GET")


@pytest.mark.parametrize("change", ["patch", "replace"])
async def test_a_change_of_what_has_changed_meanwhile_is_a_conflict(
    api: KubernetesSimulator, cluster: Cluster, change: str
) -> None:
    old = api.put(SHOP, pod("web"))
    api.put(SHOP, pod("web", labels={"by": "somebody else"}))

    with pytest.raises(ClusterError) as caught:
        await getattr(cluster, change)(PODS, "web", old, "shop")

    assert caught.value.cause == "conflict"


@pytest.mark.parametrize("kind", PatchKind)
async def test_a_patch_says_how_it_is_written(api: KubernetesSimulator, cluster: Cluster, kind: PatchKind) -> None:
    api.put(SHOP, pod("web"))
    seen: list[str] = []

    def look(request: web.Request) -> None:
        seen.append(request.headers["Content-Type"])

    api.faults.append(look)
    await cluster.patch(PODS, "web", {"metadata": {}}, "shop", kind)

    assert seen == [kind.value]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a\nb", "x" * 254, "a b"])
async def test_what_no_name_can_be_leads_nowhere(api: KubernetesSimulator, cluster: Cluster, name: str) -> None:
    with pytest.raises(ClusterError, match="no name of an object"):
        await cluster.get(PODS, name, "shop")
    with pytest.raises(ClusterError, match="no name of an object"):
        await cluster.get(PODS, "web", name)

    assert not api.requests


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
async def test_a_list_comes_in_pages_and_each_object_once(
    api: KubernetesSimulator, cluster: Cluster, count: int
) -> None:
    for number in range(count):
        api.put(SHOP, pod(f"web-{number:05}"))
    pages = [page async for page in cluster.pages(PODS)]

    assert [one.metadata.name for page in pages for one in page.objects] == [f"web-{n:05}" for n in range(count)]
    assert [page.is_first for page in pages] == [True] + [False] * (len(pages) - 1)
    assert len(pages) == max(1, -(-count // PAGE))
    assert {page.resource_version for page in pages} == {str(api.version)}


async def test_a_selection_is_what_the_server_is_told(api: KubernetesSimulator, cluster: Cluster) -> None:
    await cluster.list(PODS, ObjectSelection("shop", labels="app=web", fields="spec.nodeName=a"))

    (request,) = api.requests
    assert request == (
        "GET",
        SHOP,
        {"labelSelector": "app=web", "fieldSelector": "spec.nodeName=a", "limit": str(PAGE)},
    )


async def test_a_list_that_is_too_old_begins_anew(api: KubernetesSimulator, cluster: Cluster) -> None:
    for number in range(PAGE + 1):
        api.put(SHOP, pod(f"web-{number:05}"))

    def compact(request: web.Request) -> None:
        if "continue" in request.query and not api.forgotten:
            api.remove(SHOP, "web-00000")
            api.forget()

    api.faults.append(compact)

    found = await cluster.list(PODS)
    assert [one.metadata.name for one in found] == [f"web-{n:05}" for n in range(1, PAGE + 1)]


async def test_a_list_that_is_always_too_old_is_given_up(api: KubernetesSimulator, cluster: Cluster) -> None:
    for number in range(PAGE + 1):
        api.put(SHOP, pod(f"web-{number:05}"))
    api.faults.append(lambda request: status(410) if "continue" in request.query else None)

    with pytest.raises(ClusterError) as caught:
        await cluster.list(PODS)
    assert caught.value.cause == "gone"


async def test_large_objects_come_in_smaller_pages(
    api: KubernetesSimulator, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deploys chooses how large Pods are: that must not keep others from being seen."""
    monkeypatch.setattr(client_module, "ANSWER_LIMIT", 100_000)
    for number in range(40):
        api.put(SHOP, {**pod(f"web-{number:05}"), "spec": "x" * 9_000})
    pages = [page async for page in cluster.pages(PODS)]

    assert [one.metadata.name for page in pages for one in page.objects] == [f"web-{n:05}" for n in range(40)]
    assert max(len(page.objects) for page in pages) > 1


async def test_an_answer_beyond_every_limit_is_refused(
    api: KubernetesSimulator, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "ANSWER_LIMIT", 1000)
    api.put(SHOP, {**pod("web"), "spec": "x" * 1000})

    with pytest.raises(ClusterError, match="more than 1000 bytes") as one:
        await cluster.get(PODS, "web", "shop")
    with pytest.raises(ClusterError) as many:
        await cluster.list(PODS)
    assert one.value.cause == many.value.cause == "too_large"


async def test_a_list_without_end_is_given_up(
    api: KubernetesSimulator, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LIST_LIMIT", 5)
    endless = {"metadata": {"resourceVersion": "1", "continue": "again"}, "items": []}
    api.faults.append(lambda _: web.json_response(endless))

    with pytest.raises(ClusterError, match="more than 5"):
        await cluster.list(PODS)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_a_question_is_asked_again(api: KubernetesSimulator, cluster: Cluster, code: int) -> None:
    api.put(SHOP, pod("web"))
    api.faults.append(once(lambda _: status(code)))

    assert (await cluster.get(PODS, "web", "shop")).metadata.name == "web"
    assert len(api.requests) == 2


@pytest.mark.parametrize(("code", "attempts"), [(500, 1), (503, 1), (429, ATTEMPTS), (403, 1), (422, 1)])
async def test_a_change_is_only_made_again_where_it_was_not_made(
    api: KubernetesSimulator, cluster: Cluster, code: int, attempts: int
) -> None:
    api.faults.append(lambda _: status(code))

    with pytest.raises(ClusterError):
        await cluster.create(PODS, pod("web"), "shop")
    assert len(api.requests) == attempts


async def test_nobody_waits_for_a_foregone_failure(api: KubernetesSimulator, cluster: Cluster) -> None:
    api.faults.append(lambda _: status(429, headers={"Retry-After": "59"}))

    with pytest.raises(ClusterError) as caught:
        await cluster.get(PODS, "web", "shop")
    assert (caught.value.cause, caught.value.after, len(api.requests)) == ("rate_limited", 59.0, 1)


@pytest.mark.parametrize(
    ("code", "cause"),
    [(401, "unauthorised"), (403, "forbidden"), (404, "not_found"), (409, "conflict"), (410, "gone"), (418, "refused")],
)
async def test_every_refusal_has_its_cause(api: KubernetesSimulator, cluster: Cluster, code: int, cause: str) -> None:
    api.faults.append(lambda _: status(code, "so it is\x1b[31m"))

    with pytest.raises(ClusterError) as caught:
        await cluster.get(PODS, "web", "shop")
    assert caught.value.cause == cause
    assert str(caught.value) == 'getting pods "shop/web": "so it is\\u001b[31m"'


@pytest.mark.parametrize("chunks", [1, 1024])
async def test_a_refused_token_is_read_anew_however_the_refusal_goes_on(
    api: KubernetesSimulator, tmp_path: Path, chunks: int
) -> None:
    """Its body is not waited for beyond what is ever shown of one, and may break off."""
    token, wrote = tmp_path / "token", list[int]()
    token.write_text("old")
    api.put(SHOP, pod("web"))

    async def refuse(request: web.Request) -> web.StreamResponse | None:
        if request.headers["Authorization"] == "Bearer new":
            return None
        token.write_text("new")
        reply = web.StreamResponse(status=401)
        reply.enable_chunked_encoding()
        await reply.prepare(request)
        with contextlib.suppress(ConnectionError):
            for number in range(chunks):
                await reply.write(bytes(STATUS_LIMIT))
                wrote.append(number)
        assert request.transport is not None
        request.transport.abort()
        return reply

    api.faults.append(refuse)
    async with Cluster(api.access(token=token), dice=lowest) as cluster:
        found = await cluster.get(PODS, "web", "shop")

    assert found.metadata.name == "web"
    assert chunks == 1 or len(wrote) < chunks


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"metadata":', b'{"metadata": {"name": 1}}', b"[" * 9999])
async def test_an_answer_that_is_none_of_kubernetes_is_refused(
    api: KubernetesSimulator, cluster: Cluster, body: bytes
) -> None:
    api.faults.append(lambda _: web.Response(body=body))

    with pytest.raises(ClusterError) as one:
        await cluster.get(PODS, "web", "shop")
    with pytest.raises(ClusterError) as many:
        await cluster.list(PODS)
    assert one.value.cause == many.value.cause == "malformed"


async def test_a_slow_answer_ends(api: KubernetesSimulator, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends a byte now and then never ends by itself."""
    monkeypatch.setattr(client_module, "PATIENCE", 0.2)

    async def trickle(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b" ")
            await asyncio.sleep(0.02)

    api.faults.append(trickle)

    with pytest.raises(ClusterError, match="no answer in") as caught:
        await cluster.get(PODS, "web", "shop")
    assert caught.value.cause == "timeout"


async def test_nobody_is_followed_elsewhere(api: KubernetesSimulator, cluster: Cluster) -> None:
    api.faults.append(lambda _: web.Response(status=307, headers={"Location": f"{api.server}/elsewhere"}))

    with pytest.raises(ClusterError):
        await cluster.get(PODS, "web", "shop")
    assert len(api.requests) == 1


async def test_where_nobody_listens_that_is_said() -> None:
    async with Cluster(Access("http://127.0.0.1:1"), dice=lowest) as cluster:
        with pytest.raises(ClusterError, match="can't be asked") as caught:
            await cluster.create(PODS, pod("web"), "shop")
    assert caught.value.cause == "unreachable"


async def test_an_address_of_metadata_is_never_asked() -> None:
    async with Cluster(Access("https://169.254.169.254")) as cluster:
        with pytest.raises(ClusterError, match="never connected to"):
            await cluster.get(PODS, "web", "shop")


async def test_a_token_that_was_replaced_is_read_again(api: KubernetesSimulator, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    api.token = "first"
    api.put(SHOP, pod("web"))
    async with Cluster(api.access(token=file)) as cluster:
        await cluster.get(PODS, "web", "shop")
        api.token = "second"
        file.write_text("second\n")
        await cluster.get(PODS, "web", "shop")
        await cluster.get(PODS, "web", "shop")

    assert len(api.requests) == 4


async def test_a_token_that_is_refused_twice_is_refused(api: KubernetesSimulator, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret-of-ours")
    api.token = "other"
    async with Cluster(api.access(token=file)) as cluster:
        with pytest.raises(ClusterError) as caught:
            await cluster.get(PODS, "web", "shop")

    assert caught.value.cause == "unauthorised"
    assert "secret-of-ours" not in str(caught.value)
    assert len(api.requests) == 2


@pytest.mark.parametrize("content", [None, "", "two\nlines", "bell\a", "x" * 2**21])
async def test_a_file_without_a_token_is_named(api: KubernetesSimulator, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    async with Cluster(api.access(token=file)) as cluster:
        with pytest.raises(ClusterError, match=str(file)) as caught:
            await cluster.get(PODS, "web", "shop")

    assert caught.value.cause == "unconfigured"
    assert not api.requests


async def test_a_token_that_can_not_be_read_any_more_is_used_on(api: KubernetesSimulator, tmp_path: Path) -> None:
    """While the kubelet replaces a volume there may be nothing; the API server says itself when a token has ended."""
    file = tmp_path / "token"
    file.write_text("first")
    api.token = "first"
    api.put(SHOP, pod("web"))
    async with Cluster(api.access(token=file)) as cluster:
        await cluster.get(PODS, "web", "shop")
        file.unlink()
        cluster.connection._token_read_at = -1.0

        assert (await cluster.get(PODS, "web", "shop")).metadata.name == "web"


async def test_who_answers_must_be_vouched_for_by_the_ca_as_it_is_now(tmp_path: Path) -> None:
    """The CA of a cluster is rotated while we run: the kubelet puts the new one beside the token."""
    api, right, wrong = KubernetesSimulator(), self_signed(), self_signed()
    file = tmp_path / "ca.crt"
    file.write_bytes(wrong.certificate)
    api.put(SHOP, pod("web"))
    async with api.running(right.server_context(tmp_path)), Cluster(api.access(authorities=file)) as cluster:
        with pytest.raises(ClusterError) as caught:
            await cluster.create(PODS, pod("other"), "shop")
        file.write_bytes(right.certificate)
        found = await cluster.get(PODS, "web", "shop")

    assert caught.value.cause == "unreachable"
    assert found.metadata.name == "web"
    assert [method for method, _, _ in api.requests] == ["GET"]


async def test_a_file_of_cas_that_holds_none_is_told(api: KubernetesSimulator) -> None:
    async with Cluster(api.access(authorities="no certificate")) as cluster:
        with pytest.raises(ClusterError, match="CA") as caught:
            await cluster.get(PODS, "web", "shop")
    assert caught.value.cause == "unconfigured"


def test_where_resources_lie() -> None:
    leases = Resource("coordination.k8s.io", "v1", "leases", PODS.shape)

    assert leases.path("gatecrier", "leader") == "/apis/coordination.k8s.io/v1/namespaces/gatecrier/leases/leader"
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("shop", "web", "ephemeralcontainers") == "/api/v1/namespaces/shop/pods/web/ephemeralcontainers"
    assert PODS.path("shop", "system:web") == "/api/v1/namespaces/shop/pods/system%3Aweb"


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 10**6))
def test_nobody_waits_longer_than_is_bounded(failures: int, dice: float, after: float | None) -> None:
    waited = delay(failures, dice, after)

    assert LEAST <= waited <= LAST_CEILING or (after and waited <= LONGEST_ASKED + 1 and waited >= min(after, 60))
