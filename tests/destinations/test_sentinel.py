"""Sentinel: records that Azure takes and keeps whole, with tokens that it grants."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.destinations.catalogue import open_destination
from router.destinations.document import Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.sentinel import CALL_BYTES, KIND, SentinelDialect, SentinelSettings
from router.destinations.outcome import Delivered, TryAgain
from router.events import as_json, encode
from router.fields import ReadingContext
from router.rendering.examples import EXAMPLES, INCIDENTS, NOTICES
from router.rendering.renderer import Renderer
from tests.contracts.kinds import shipped
from tests.simulators.sentinel import CLIENT, PATH, RULE, SECRET, STREAM, TENANT, Azure
from tests.simulators.sinks import Receipt, Sink

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
DOCUMENTS = Path(__file__).resolve().parents[2] / "docs" / "destinations.md"
NOW = 1_795_428_990.0
STORED = [*map(encode, EXAMPLES.values()), *map(as_json, INCIDENTS), *map(as_json, NOTICES)]


def settings(folder: Path = Path("/nowhere"), /, **written: object) -> SentinelSettings:
    reading = ReadingContext(folder, {"SECRET": SECRET}, lambda path, _: path.read_bytes())
    told = {
        "name": "sentinel",
        "kind": "sentinel",
        "url": "https://dce.westeurope-1.ingest.monitor.azure.com",
        "rule": RULE,
        "stream": STREAM,
        "tenant": TENANT,
        "client_id": CLIENT,
        **({} if "federated_token" in written else {"client_secret": {"env": "SECRET"}}),
        **written,
    }
    return SentinelSettings.model_validate(told, context={"reading": reading})


def columns() -> Mapping[str, str]:
    """The columns that the page tells operators to make, with their types."""
    section = DOCUMENTS.read_text().partition("\n## Sentinel\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section, re.MULTILINE))


def kept(bodies: Sequence[bytes], stream: Mapping[str, str] | None = None) -> list[dict[str, object]]:
    """What Azure has of these payloads, all of which it takes and keeps whole."""
    post = SentinelDialect(settings()).compose([Document("event-1", body) for body in bodies], NOW)
    azure = Azure(stream or {}, tokens=["t"])
    headers = {**{name.lower(): text for name, text in post.headers.items()}, "authorization": "Bearer t"}
    said = azure.behave(Receipt(PATH, headers, post.body))

    assert said.startswith(b"HTTP/1.1 204"), said
    assert azure.lost == []
    return azure.records


def rendered(bodies: Sequence[bytes]) -> list[bytes]:
    renderer = Renderer(shipped(KIND), kind=KIND.name, name="sentinel", minimal=KIND.minimal)
    return [renderer.render(body).body for body in bodies]


def test_all_that_is_told_has_a_column_of_its_type() -> None:
    stream = columns()
    found = kept(rendered(STORED), stream)

    assert len(found) == len(STORED)
    assert {name for one in found for name in one} == set(stream) - {"Shortened"}


def test_a_minimal_payload_has_columns_too() -> None:
    smallest = [KIND.minimal(json.loads(body), "too large")[0] for body in STORED]  # type: ignore[arg-type] # its text

    assert len(kept(smallest, columns())) == len(STORED)


def test_a_decision_says_what_was_answered_and_what_would_have_been() -> None:
    found = kept(rendered([encode(event) for event in EXAMPLES.values()]))
    for one, event in zip(found, EXAMPLES.values(), strict=True):
        decision = event["data"]["decision"]

        assert (one["Outcome"], one["WouldReject"]) == (decision["outcome"], decision["would_reject"])
        if decision["outcome"] == "admitted":
            assert ("would reject" in str(one["Message"])) == decision["would_reject"]


@given(st.recursive(st.none() | st.integers(-(2**53), 2**53) | st.text(), lambda one: st.dictionaries(
    st.sampled_from(["TimeGenerated", "Message", "a"]), one)))  # fmt: skip
def test_whatever_a_template_makes_is_taken(made: object) -> None:
    assert len(kept([orjson.dumps(made)])) == 1


@pytest.mark.parametrize("body", [b"no JSON", b"\xff", b"", b'{"a":' * 300 + b"1" + b"}" * 300])
def test_what_is_no_record_is_the_message_of_one(body: bytes) -> None:
    assert len(kept([body])) == 1


@pytest.mark.parametrize("value", ["m" * 100_000, ["é" * 500] * 300, {"a": {"b": "c" * 70_000}}])
def test_what_azure_would_cut_is_cut_and_marked(value: object) -> None:
    """It would answer 204 and keep half of it."""
    (found,) = kept([orjson.dumps({"Message": value, "EventId": "event-1"})])

    assert str(found["Message"]).endswith("…")
    assert found["EventId"] == "event-1"


async def test_one_token_serves_many_and_a_batch_is_within_the_limit() -> None:
    azure = Azure()
    async with Sink(behave=azure.behave).running() as sink:
        url = sink.url("")
        destination = open_destination(settings(url=url, authority=url, plain_http=True), LOOPBACK)
        body = orjson.dumps({"Message": "m" * 9000})
        documents = [Document(f"event-{number}", body) for number in range(CALL_BYTES // len(body))]
        outcomes = [await destination.deliver(documents) for _ in range(2)]
        await destination.close()

    assert outcomes == [Delivered()] * 2
    assert len(azure.tokens) == 1
    assert len(azure.records) == 2 * len(documents)
    assert [one.headers.get("content-encoding") for one in sink.got] == [None, "gzip", "gzip"]


async def test_workload_identity_proves_itself_by_the_token_of_the_moment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    azure = Azure(life=0, proof={"client_assertion": "eyJ.first"})
    async with Sink(behave=azure.behave).running() as sink:
        url = sink.url("")
        told = settings(tmp_path, url=url, authority=url, plain_http=True, federated_token="token")
        destination = open_destination(told, LOOPBACK)
        missing = await destination.deliver([Document("event-1", b"{}")])
        file.write_text("eyJ.first\n")
        first = await destination.deliver([Document("event-1", b"{}")])
        file.write_text("eyJ.second\n")
        azure.proof, azure.tokens = {"client_assertion": "eyJ.second"}, ["revoked"]
        second = await destination.deliver([Document("event-1", b"{}")])
        await destination.close()

    assert isinstance(missing, TryAgain)
    assert missing.reason == "no_token"
    assert (first, second) == (Delivered(), Delivered())


async def test_a_rule_that_is_not_there_pauses_the_destination() -> None:
    azure = Azure()
    async with Sink(behave=azure.behave).running() as sink:
        url = sink.url("")
        told = settings(url=url, authority=url, plain_http=True, rule="dcr-other")
        destination = open_destination(told, LOOPBACK)
        found = await destination.deliver([Document("event-1", b"{}")])
        await destination.close()

    assert isinstance(found, TryAgain)
    assert (found.reason, found.pauses) == ("refused_here", True)


@pytest.mark.parametrize(
    ("cloud", "authority", "scope"),
    [
        ("public", "https://login.microsoftonline.com", "https://monitor.azure.com/.default"),
        ("china", "https://login.chinacloudapi.cn", "https://monitor.azure.cn/.default"),
        ("government", "https://login.microsoftonline.us", "https://monitor.azure.us/.default"),
    ],
)
def test_each_cloud_has_servers_of_its_own(cloud: str, authority: str, scope: str) -> None:
    found = settings(cloud=cloud).credentials

    assert (found.url, found.scope) == (f"{authority}/{TENANT}/oauth2/v2.0/token", scope)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"client_secret": None}, "exactly one of `client_secret` and `federated_token`"),
        ({"federated_token": "t", "client_secret": {"env": "SECRET"}}, "exactly one of"),
        ({"rule": "0123"}, "rule"),
        ({"stream": "a/b"}, "stream"),
        ({"tenant": "a/b"}, "tenant"),
        ({"url": "http://x.example"}, "plain_http"),
        ({"url": "https://x.example?a=b"}, "has a query"),
        ({"authority": "http://x.example"}, "plain_http"),
        ({"batch_bytes": "1MiB"}, "less than or equal"),
    ],
)
def test_what_can_not_be_meant_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**more)
