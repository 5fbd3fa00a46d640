from __future__ import annotations

import json

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from router.errors import MalformedAnswerError, TooLargeError, UnauthorisedError
from router.images import Digest
from router.registry import referrers
from router.registry.answers import Answer
from router.registry.referrers import Descriptor, ReferrersSupport, next_page, parse_index
from tests.registry.stage import Time, client_of, soon
from tests.simulators.registry import INDEX, LAYOUTS, RegistrySimulator

HERE = URL("https://a.example/v2/x/referrers/sha256:1")
ENTRY = {"mediaType": "m", "digest": str(Digest.of(b"")), "size": 5}
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.none(), max_size=1)


def answer(status: int = 404, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, CIMultiDictProxy(CIMultiDict(headers)), body)


def index(*entries: object) -> bytes:
    return json.dumps({"manifests": entries}).encode()


def test_an_entry_is_read_as_it_stands() -> None:
    entry = ENTRY | {"artifactType": "t", "annotations": {"a": "b"}}

    assert parse_index(index(entry, ENTRY), "it") == (
        Descriptor("m", Digest.of(b""), 5, "t", {"a": "b"}),
        Descriptor("m", Digest.of(b""), 5, "", {}),
    )


BROKEN = [b"", b"[]", b"{}", b'{"manifests": {}}', index(5), index({}), index(ENTRY | {"mediaType": None})]
BROKEN += [index(ENTRY | {"digest": "sha256:1"}), index(ENTRY | {"digest": 5}), index(ENTRY | {"size": -1})]
BROKEN += [index(ENTRY | {"size": True}), index(ENTRY | {"size": "5"}), index(ENTRY | {"artifactType": 5})]
BROKEN += [index(ENTRY | {"annotations": [1]}), index(ENTRY | {"annotations": {"a": 1}})]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_index_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        parse_index(body, "it")


def test_fifty_entries_are_the_limit() -> None:
    assert len(parse_index(index(*[ENTRY] * 50), "it")) == 50
    with pytest.raises(TooLargeError):
        parse_index(index(*[ENTRY] * 51), "it")


@given(
    st.binary(max_size=20)
    | st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("mediaType", "size", "artifactType", "annotations"), VALUES)
        ).map(lambda entry: ENTRY | entry),
        max_size=3,
    ).map(lambda entries: index(*entries))
)
def test_no_body_crashes_the_reader(body: bytes) -> None:
    try:
        found = parse_index(body, "it")
    except MalformedAnswerError:
        return

    assert all(one.size >= 0 for one in found)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/x?last=1>; rel="next"', "https://a.example/v2/x?last=1"),
        ("<?last=a%2Fb>;rel=next", "https://a.example/v2/x/referrers/sha256:1?last=a%2Fb"),
        ('<https://a.example/y>; title="z"; REL="Next"', "https://a.example/y"),
        ('</p>; rel="prev", </n>; rel="next"', "https://a.example/n"),
        ('</p>; rel="prev"', None),
        ("", None),
        ("nonsense", None),
        ('</n>; rel="nextish"', None),
    ],
)
def test_the_next_page_is_found(link: str, expected: str | None) -> None:
    found = next_page(answer(Link=link), HERE, "it")

    assert (str(found) if found is not None else None) == expected


@given(st.text('</>;rel="next" ,=', max_size=60))
def test_no_link_crashes_the_reader(link: str) -> None:
    try:
        found = next_page(answer(Link=link), HERE, "it")
    except MalformedAnswerError:
        return

    assert found is None or found.origin() == HERE.origin()


@pytest.mark.parametrize(
    ("body", "is_absent"),
    [
        (b"404 page not found", True),
        (b"{}", True),
        (b'{"errors": {}}', True),
        (b'{"errors": [5, {"code": ["NAME_UNKNOWN"]}]}', True),
        (b'{"errors": [{"code": "UNSUPPORTED"}]}', True),
        (b'{"errors": [{"code": "NAME_UNKNOWN"}]}', False),
        (b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}', False),
    ],
)
def test_only_an_unknown_path_means_that_the_api_is_absent(body: bytes, is_absent: bool) -> None:  # noqa: FBT001 - a table
    support = ReferrersSupport(lambda: 0.0)
    support.note("a.example", "shop/web", answer(404, body))

    assert support.is_absent("a.example", "shop/web") == is_absent


def test_one_repository_without_the_api_hides_no_signature_of_another() -> None:
    """A gateway answers for a path that nobody serves: whoever deploys may name it, first of all after a start."""
    support = ReferrersSupport(lambda: 0.0)
    support.note("a.example", "nobody/serves-this", answer(404, b"404 page not found"))

    assert support.is_absent("a.example", "nobody/serves-this")
    assert not support.is_absent("a.example", "shop/web")


def test_no_more_repositories_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "_REMEMBERED", 3)
    support = ReferrersSupport(lambda: 0.0)
    for number in range(10):
        support.note("a.example", f"shop/{number}", answer())

    assert len(support._absent) <= 3


@pytest.mark.parametrize("api", [True, False])
async def test_referrers_are_the_same_by_api_and_by_fallback_tag(api: bool) -> None:  # noqa: FBT001 - both cases
    async with RegistrySimulator(referrers_api=api).running() as registry, client_of(registry) as client:
        registry.load_layout(LAYOUTS / "bundle-two-signers", "shop/web")
        image = registry.image("shop/web:v1")

        digest = await client.resolve(image, soon())
        found = await client.referrers(image, digest, soon())

        assert len(found) == 2
        assert {one.artifact_type for one in found} == {"application/vnd.dev.sigstore.bundle.v0.3+json"}
        for one in found:
            assert (await client.manifest(image, one.digest, soon())).digest == one.digest


async def test_the_list_is_never_filtered_by_the_registry() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.fault = lambda request: web.Response(status=500) if request.query_string else None

        assert await client.referrers(registry.image("a:1"), Digest.of(b""), soon()) == ()


def refer(registry: RegistrySimulator, count: int) -> Digest:
    digest = registry.add_image("a", "1")
    for number in range(count):
        registry.add_manifest("a", {"subject": {"digest": str(digest)}, "artifactType": f"x/{number}"})
    return digest


async def test_every_page_is_read() -> None:
    async with RegistrySimulator(page_size=3).running() as registry, client_of(registry) as client:
        digest = refer(registry, 10)

        found = await client.referrers(registry.image("a:1"), digest, soon())

        assert [one.artifact_type for one in found] == [f"x/{number}" for number in range(10)]


@pytest.mark.parametrize(("page_size", "count"), [(None, 51), (40, 60), (1, 12)])
async def test_more_referrers_or_pages_than_the_limit_are_too_large(page_size: int | None, count: int) -> None:
    """A list cut short could hide a signature."""
    async with RegistrySimulator(page_size=page_size).running() as registry, client_of(registry) as client:
        digest = refer(registry, count)

        with pytest.raises(TooLargeError, match="more than"):
            await client.referrers(registry.image("a:1"), digest, soon())


@pytest.mark.parametrize(
    "link", ["http://127.0.0.2:1/v2/a/referrers/x", "//other.example/", "http://u:p@{host}/v2/x", "http://[/"]
)
async def test_a_next_page_elsewhere_is_malformed(link: str) -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        headers = {"Link": f'<{link.replace("{host}", registry.host)}>; rel="next"'}
        body = json.dumps({"manifests": []}).encode()
        registry.fault = lambda _: web.Response(body=body, content_type=INDEX, headers=headers)

        with pytest.raises(MalformedAnswerError, match="next page"):
            await client.referrers(registry.image("a:1"), Digest.of(b""), soon())


async def test_a_page_that_fails_fails_the_list() -> None:
    async with RegistrySimulator(page_size=1).running() as registry, client_of(registry) as client:
        digest = refer(registry, 2)
        registry.fault = lambda request: web.Response(status=403) if request.query_string else None

        with pytest.raises(UnauthorisedError):
            await client.referrers(registry.image("a:1"), digest, soon())


@pytest.mark.parametrize("absent", [400, 404, 405, 406, 200])
async def test_an_absent_api_is_remembered_for_an_hour(absent: int) -> None:
    async with RegistrySimulator().running() as registry:
        registry.fault = lambda request: web.Response(status=absent) if "/referrers/" in request.path else None
        time, image, digest = Time(), registry.image("a:1"), Digest.of(b"")

        async with client_of(registry, time=time) as client:
            asked = []
            for passing in (0.0, 3599.0, 2.0):
                time.now += passing
                assert await client.referrers(image, digest, soon()) == ()
                asked.append(sum("/referrers/" in line for line in registry.requests))

    assert asked == [1, 1, 2]


async def test_an_unknown_name_does_not_mean_that_the_api_is_absent() -> None:
    """Otherwise one Pod with an image that is not there hides every bundle of that registry for an hour."""
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        unknown = {"errors": [{"code": "NAME_UNKNOWN"}]}
        registry.fault = lambda request: (
            web.json_response(unknown, status=404) if request.path.startswith("/v2/none/referrers") else None
        )
        digest = refer(registry, 1)

        assert await client.referrers(registry.image("none:1"), digest, soon()) == ()
        assert len(await client.referrers(registry.image("a:1"), digest, soon())) == 1


async def test_an_api_that_has_answered_is_not_forgotten_for_one_404() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = refer(registry, 1)
        assert len(await client.referrers(registry.image("a:1"), digest, soon())) == 1
        registry.fault = lambda request: web.Response(status=404) if "/other/" in request.path else None

        assert await client.referrers(registry.image("other:1"), digest, soon()) == ()
        assert len(await client.referrers(registry.image("a:1"), digest, soon())) == 1


async def test_a_fallback_tag_that_is_no_index_is_malformed() -> None:
    async with RegistrySimulator(referrers_api=False).running() as registry, client_of(registry) as client:
        digest = registry.add_image("a", "1")
        registry.add_image("a", f"sha256-{digest.hex}", "no index")

        with pytest.raises(MalformedAnswerError, match="no index"):
            await client.referrers(registry.image("a:1"), digest, soon())


async def test_the_fallback_tag_of_a_long_digest_is_cut() -> None:
    async with RegistrySimulator(referrers_api=False).running() as registry, client_of(registry) as client:
        digest = Digest.of(b"", "sha512")
        await client.referrers(registry.image("a:1"), digest, soon())

        assert registry.requests[-1] == f"GET /v2/a/manifests/sha512-{digest.hex[:64]}"
