"""By which ways every HTTP service is told: certificates, proxies, no redirects, our own headers, batches in order."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from router.destinations.dialect import MOVED_FOR
from router.destinations.document import Document
from router.destinations.outcome import Delivered, EachOutcome, TryAgain
from tests.contracts.http_dialects import KINDS, SECRETS, Sink, opened, receipt, settings_of, taken, told, told_with
from tests.rendering.hostile import HOSTILE
from tests.simulators.certificates import self_signed, stored
from tests.simulators.sinks import answer

EACH = pytest.mark.parametrize("kind", KINDS)


@EACH
async def test_a_receiver_is_known_by_its_own_ca_and_knows_us_by_our_certificate(kind: str, tmp_path: Path) -> None:
    theirs, ours = self_signed(), self_signed()
    context = theirs.server_context(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ours.certificate.decode())
    pair = {"certificate": str(stored(tmp_path, "ours", ours)), "key": str(tmp_path / "ours.key")}
    ca, other = str(stored(tmp_path, "ca", theirs)), str(stored(tmp_path, "other", self_signed()))
    async with Sink(taken(kind, tmp_path), tls=context).running() as sink:
        right = await told(kind, sink.url(), tmp_path, ca=ca, client_certificate=pair)
        got = len(sink.got)
        wrong = await told(kind, sink.url(), tmp_path, ca=other, client_certificate=pair)
        system = await told(kind, sink.url(), tmp_path, client_certificate=pair)
        without = await told(kind, sink.url(), tmp_path, ca=ca)

    assert (right, wrong, system) == (Delivered(), TryAgain("tls_failed"), TryAgain("tls_failed"))
    assert without in {TryAgain("tls_failed"), TryAgain("connection_failed")}
    assert (got, len(sink.got)) == (1, 1)


@EACH
async def test_a_proxy_is_told_the_whole_address(kind: str, tmp_path: Path) -> None:
    async with Sink(taken(kind, tmp_path)).running() as proxy:
        way = f"http://127.0.0.1:{proxy.port}"
        found = await told(kind, "http://receiver.example/x", tmp_path, proxy=way)

    assert found == Delivered()
    assert [receipt.path.startswith("http://receiver.example/x") for receipt in proxy.got] == [True]


@EACH
async def test_a_redirect_takes_nothing_along(kind: str, tmp_path: Path) -> None:
    """Neither the payload nor its credentials."""
    async with Sink().running() as elsewhere:
        moved = answer("307 Temporary Redirect", Location=elsewhere.url("/stolen"))
        async with Sink(moved).running() as sink:
            found = await told(kind, sink.url(), tmp_path)

    assert found == TryAgain("redirected", within=MOVED_FOR)
    assert elsewhere.got == []


@EACH
async def test_no_value_makes_or_changes_a_header(kind: str, tmp_path: Path) -> None:
    """Headers and addresses are of the settings and of our own ids, whatever stands in an event."""
    texts = ["plain", "a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1", *(text[:200] for text in HOSTILE)]
    async with Sink(taken(kind, tmp_path)).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        for text in texts:
            await destination.deliver([told_with(text, kind)])
        await destination.close()
    first, *others = [
        (one.path, {name: value for name, value in one.headers.items() if name not in OF_A_BODY}) for one in sink.got
    ]

    assert len(others) == len(texts) - 1
    assert [one for one in others if one != first] == []


@EACH
async def test_an_operator_adds_headers_but_none_that_the_kind_sets(kind: str, tmp_path: Path) -> None:
    """Nor any that the exchange itself needs: they would be doubled, or be somebody else's."""
    async with Sink(taken(kind, tmp_path)).running() as sink:
        await told(kind, sink.url(), tmp_path, headers={"X-Canary": {"env": "HEADER"}, "x-tenant": "4711"})
    (got,) = sink.got
    ours = got.headers.keys() - {"x-canary", "x-tenant", "user-agent", "accept"} | {"content-encoding"}

    assert (got.headers["x-canary"], got.headers["x-tenant"]) == (SECRETS["HEADER"], "4711")
    assert {"host", "content-type", "content-length"} <= ours
    for name in ours:
        with pytest.raises(ValidationError, match="is set by Gatecrier"):
            settings_of(kind, sink.url(), tmp_path, headers={name.title(): "x"})


OF_A_BODY = {"content-length", "webhook-signature"}
BATCHED = [kind for kind in KINDS if opened(kind, "http://127.0.0.1:9/", Path()).batch_size > 1]


@pytest.mark.parametrize("kind", BATCHED)
async def test_a_batch_is_one_request_with_its_documents_in_order(kind: str, tmp_path: Path) -> None:
    """Its answer is one outcome for all, or one for each."""
    texts = [f"number-{number:03}" for number in range(9)]
    documents = [Document(text, told_with(text, kind).body) for text in texts]
    status, body = receipt(kind, tmp_path)
    each = body.replace(b'{"create":{"status":201}}', b",".join([b'{"create":{"status":201}}'] * len(texts)))
    async with Sink(answer(status, each)).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        found = await destination.deliver(documents)
        await destination.close()
    (got,) = sink.got

    assert found in (Delivered(), EachOutcome((Delivered(),) * len(texts)))
    assert list(dict.fromkeys(re.findall(r"number-[0-9]{3}", got.body.decode()))) == texts


def test_some_kinds_take_batches() -> None:
    assert len(BATCHED) > 5
