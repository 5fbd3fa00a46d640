from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from router.errors import MalformedAnswerError, NotFoundError, TooLargeError, UnauthorisedError
from router.images import Digest
from router.registry import referrers
from router.registry.answers import RegistryAnswer
from router.registry.referrers import PAGES_LIMIT, Descriptor, ReferrerList, next_page, parse_index
from tests.registry.stage import client_of, soon
from tests.simulators.registry import INDEX, LAYOUTS, RegistrySimulator

HERE = URL("https://a.example/v2/x/referrers/sha256:1")
ENTRY = {"mediaType": "m", "digest": str(Digest.of(b"")), "size": 5}
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.none(), max_size=1)


def answer(status: int = 404, body: bytes = b"", **headers: str) -> RegistryAnswer:
    return RegistryAnswer(status, CIMultiDictProxy(CIMultiDict(headers)), body)


def index(*entries: object) -> bytes:
    return json.dumps({"manifests": entries}).encode()


def test_an_entry_is_read_as_it_stands() -> None:
    entry = ENTRY | {"artifactType": "t", "annotations": {"a": "b"}}

    assert parse_index(index(entry, ENTRY), "it").entries == (
        Descriptor("m", Digest.of(b""), 5, "t", {"a": "b"}),
        Descriptor("m", Digest.of(b""), 5, "", {}),
    )


BROKEN = [b"", b"[]", b"{}", b'{"manifests": {}}', b'{"manifests": null}', b"[" * 100_000]


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_index_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedAnswerError):
        parse_index(body, "it")


@pytest.mark.parametrize(
    "entry", [5, {}, ENTRY | {"digest": "sha256:1"}, ENTRY | {"digest": 5}, ENTRY | {"digest": "blake3:" + "0" * 64}]
)
def test_an_entry_that_can_not_be_read_hides_none_of_the_others(entry: object) -> None:
    """Whoever can push writes the index behind the fallback tag."""
    found = parse_index(index(ENTRY, entry, ENTRY), "it")

    assert (len(found.entries), found.unreadable) == (2, 1)


@pytest.mark.parametrize("bad", [rb'"\ud800"', b"[" * 100_000 + b"]" * 100_000, b'"\n"', b"01"])
def test_an_entry_that_no_reader_takes_hides_none_of_the_others(bad: bytes) -> None:
    """Registries repeat what was pushed, and what one reader takes another refuses."""
    good = json.dumps(ENTRY).encode()
    broken = good[:-1] + b', "annotations": {"a": ' + bad + b"}}"
    found = parse_index(b'{"manifests": [' + b", ".join((good, broken, good)) + b"]}", "it")

    assert found == replace(parse_index(index(ENTRY, ENTRY), "it"), unreadable=1)


@pytest.mark.parametrize("entries", [b", %b", b"%b,", b"%b, , "])
def test_an_entry_that_is_empty_is_none(entries: bytes) -> None:
    found = parse_index(b'{"manifests": [' + entries % json.dumps(ENTRY).encode() + b"]}", "it")

    assert len(found.entries) == 1


def test_of_a_list_with_a_bad_entry_only_so_many_are_read() -> None:
    assert parse_index(rb'{"manifests": ["\ud800"' + b", {}" * 4999 + b"]}", "it").unreadable == 5000
    with pytest.raises(TooLargeError):
        parse_index(rb'{"manifests": ["\ud800"' + b", {}" * 5000 + b"]}", "it")


@pytest.mark.parametrize(
    "hint",
    [
        {"mediaType": None},
        {"size": -1},
        {"size": True},
        {"size": "5"},
        {"size": 10**30},
        {"artifactType": 5},
        {"annotations": [1]},
        {"annotations": {"a": 1}},
        {"annotations": None},
    ],
)
def test_a_hint_that_can_not_be_read_is_none(hint: dict[str, object]) -> None:
    """Only the digest binds: a registry that repeats what was pushed must not lose the signatures beside it."""
    (found,) = parse_index(index(ENTRY | {"artifactType": "t"} | hint), "it").entries

    assert found.digest == Digest.of(b"")
    assert found.size >= 0


def test_only_so_many_entries_are_read() -> None:
    assert len(parse_index(index(*[ENTRY] * 5000), "it").entries) == 5000
    with pytest.raises(TooLargeError):
        parse_index(index(*[{}] * 5001), "it")


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

    assert all(one.size >= 0 for one in found.entries)


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


async def test_the_api_lists_what_refers_to_an_image() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.load_layout(LAYOUTS / "bundle-two-signers", "shop/web")
        image = registry.image("shop/web:v1")

        digest = await client.resolve(image, soon())
        found = (await client.referrers(image, digest, soon())).entries

        assert len(found) == 2
        assert {one.artifact_type for one in found} == {"application/vnd.dev.sigstore.bundle.v0.3+json"}
        for one in found:
            assert (await client.manifest(image, one.digest, soon())).digest == one.digest


async def test_the_list_is_never_filtered_by_the_registry() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        registry.fault = lambda request: web.Response(status=500) if request.query_string else None

        assert await client.referrers(registry.image("a:1"), Digest.of(b""), soon()) == ReferrerList()


def refer(registry: RegistrySimulator, count: int) -> Digest:
    digest = registry.add_image("a", "1")
    for number in range(count):
        registry.add_manifest("a", {"subject": {"digest": str(digest)}, "artifactType": f"x/{number}"})
    return digest


async def test_every_page_is_read() -> None:
    async with RegistrySimulator(page_size=3).running() as registry, client_of(registry) as client:
        digest = refer(registry, 10)

        found = await client.referrers(registry.image("a:1"), digest, soon())

        assert [one.artifact_type for one in found.entries] == [f"x/{number}" for number in range(10)]


async def test_of_more_pages_than_the_limit_those_before_it_are_listed() -> None:
    """A list that is refused as a whole hides what is good in it; one that is cut, and does not say so, what is not."""
    async with RegistrySimulator(page_size=1).running() as registry, client_of(registry) as client:
        digest = refer(registry, PAGES_LIMIT)
        whole = await client.referrers(registry.image("a:1"), digest, soon())
        refer(registry, PAGES_LIMIT + 1)
        cut = await client.referrers(registry.image("a:1"), digest, soon())

    assert (len(whole.entries), whole.is_cut) == (PAGES_LIMIT, False)
    assert (len(cut.entries), cut.is_cut) == (PAGES_LIMIT, True)


def _crowded(registry: RegistrySimulator) -> Digest:
    digest = registry.add_image("a", "1")
    for number in range(600):
        referrer = {"subject": {"digest": str(digest)}, "artifactType": f"x/{number}", "annotations": {"x": "x" * 700}}
        registry.add_manifest("a", referrer)
    return digest


async def test_a_list_beyond_512_kib_on_one_page_is_too_large() -> None:
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = _crowded(registry)
        with pytest.raises(TooLargeError):
            await client.referrers(registry.image("a:1"), digest, soon())


async def test_of_a_list_beyond_512_kib_on_several_pages_those_before_it_are_listed() -> None:
    async with RegistrySimulator(page_size=300).running() as registry, client_of(registry) as client:
        found = await client.referrers(registry.image("a:1"), _crowded(registry), soon())

    assert (len(found.entries), found.is_cut) == (300, True)


async def test_five_hundred_referrers_are_listed() -> None:
    """Scanners push attestations every day."""
    async with RegistrySimulator(page_size=200).running() as registry, client_of(registry) as client:
        digest = refer(registry, 500)

        assert len((await client.referrers(registry.image("a:1"), digest, soon())).entries) == 500


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


@pytest.mark.parametrize("status", [400, 404, 405, 406, 422])
async def test_a_page_that_is_not_there_makes_no_api_absent(status: int) -> None:
    """What the first page lists is there: to say that nothing is would hide it."""
    async with RegistrySimulator(page_size=1).running() as registry, client_of(registry) as client:
        digest = refer(registry, 2)
        registry.fault = lambda request: web.Response(status=status) if request.query_string else None

        with pytest.raises(MalformedAnswerError, match="is not there"):
            await client.referrers(registry.image("a:1"), digest, soon())


@pytest.mark.parametrize("status", [400, 404, 405, 406, 422])
async def test_an_api_that_refuses_the_question_is_absent(status: int) -> None:
    fault = web.Response(status=status)
    async with RegistrySimulator(fault=lambda _: fault).running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError):
            await client.referrers(registry.image("a:1"), Digest.of(b""), soon())


@pytest.mark.parametrize("body", [b"{}", b'{"manifests": null}'])
async def test_an_index_without_a_list_is_no_answer(body: bytes) -> None:
    """A sound index behind the fallback tag must not be hidden by it."""
    fault = web.Response(body=body, content_type=INDEX)
    async with RegistrySimulator(fault=lambda _: fault).running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError):
            await client.referrers(registry.image("a:1"), Digest.of(b""), soon())


async def test_what_is_no_index_by_its_type_is_no_answer() -> None:
    fault = web.Response(body=b"<html>", content_type="text/html")
    async with RegistrySimulator(fault=lambda _: fault).running() as registry, client_of(registry) as client:
        with pytest.raises(NotFoundError):
            await client.referrers(registry.image("a:1"), Digest.of(b""), soon())


async def test_a_list_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list has up to half a MiB, which takes some milliseconds each time."""
    indexes: list[object] = []
    decode = msgspec.json.decode

    def counted(body: bytes, *, type: type[object]) -> object:  # noqa: A002 - msgspec calls it so
        indexes.extend([body] if type is referrers._Index else ())
        return decode(body, type=type)

    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = refer(registry, 3)
        monkeypatch.setattr(msgspec.json, "decode", counted)
        found = await client.referrers(registry.image("a:1"), digest, soon())

    assert len(found.entries) == 3
    assert len(indexes) == 1


async def test_an_empty_list_is_an_empty_list() -> None:
    fault = web.Response(body=b'{"manifests": []}', content_type=INDEX)
    async with RegistrySimulator(fault=lambda _: fault).running() as registry, client_of(registry) as client:
        assert await client.referrers(registry.image("a:1"), Digest.of(b""), soon()) == ReferrerList()


async def test_an_index_that_is_no_json_is_malformed() -> None:
    fault = web.Response(body=b"{", content_type=INDEX)
    async with RegistrySimulator(fault=lambda _: fault).running() as registry, client_of(registry) as client:
        with pytest.raises(MalformedAnswerError):
            await client.referrers(registry.image("a:1"), Digest.of(b""), soon())


async def test_one_absent_answer_switches_nothing_off() -> None:
    """Whoever deploys may name a repository that is not there; the signatures of others stay where they are."""
    async with RegistrySimulator().running() as registry, client_of(registry) as client:
        digest = refer(registry, 1)
        registry.fault = lambda request: web.Response(status=404) if "/nobody/" in request.path else None
        for _ in range(2):
            with pytest.raises(NotFoundError):
                await client.referrers(registry.image("nobody:1"), digest, soon())

        assert len((await client.referrers(registry.image("a:1"), digest, soon())).entries) == 1
        assert sum("/nobody/referrers/" in line for line in registry.requests) == 2
