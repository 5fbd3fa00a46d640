"""The whole router in one process, over real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from router.assembly import Router, reloading
from router.errors import ConfigurationError, OutboxError
from router.server.certificates import self_signed
from router.settings.loading import attempt
from tests.admission.world import pod
from tests.assembly.small import Place
from tests.patience import PATIENCE
from tests.simulators.alertmanager import Alertmanager, alertmanager
from tests.simulators.log import Log
from tests.simulators.pagerduty import PagerDuty
from tests.simulators.registry import DATA, LAYOUTS, RegistrySimulator
from tests.simulators.sinks import OK, Receipt, Sink, answer

__all__ = ["alertmanager"]

ENFORCED = {"enforcement": {"namespaces": {"strict": "enforce"}}}


async def test_a_decision_is_answered_stored_and_delivered(tmp_path: Path) -> None:
    place = Place(tmp_path, **ENFORCED)
    async with place.running():
        answer = await place.ask("r.example/other/app:1")
        (event,) = await place.until_archived(1)

    assert answer["allowed"] is False
    assert event["data"]["images"][0]["reason"] == "static_deny"  # type: ignore[index]  # JSON
    assert event["data"]["sequence"] == 1  # type: ignore[index]  # JSON
    assert event["data"]["replica"] == "gatecrier-0"  # type: ignore[index]  # JSON


async def test_an_incident_is_an_alert_of_pagerduty_until_its_image_passes(tmp_path: Path) -> None:
    key = hashlib.sha256(b"key").hexdigest()[:32]
    pager = PagerDuty(key)
    async with Sink(behave=pager.behave).running() as sink:
        (tmp_path / "key").write_text(key)
        people = {"lane": "incidents", "match": ["decision.would_reject = true"], "destinations": ["pager"]}
        place = Place(
            tmp_path,
            egress={"allow": ["127.0.0.0/8"]},
            destinations=[
                {"name": "archive", "kind": "file", "path": "events.jsonl"},
                {"name": "pager", "kind": "pagerduty", "routing_key": {"file": "key"}, "url": sink.url(""),
                 "plain_http": True},
            ],
            routes={"destinations": ["archive"], "routes": [{"destinations": ["archive"], "continue": True}, people]},
        )  # fmt: skip
        async with place.running():
            await place.ask("r.example/other/app:1")
            opened = await pager.until(1)
            await place.post(json.dumps(pod("r.example/free/app:1", uid="another")).encode())
            resolved = await pager.until(2)

    assert [(one.is_open, one.severity) for one in opened] == [(True, "warning")]
    assert [one.is_open for one in resolved] == [False]


async def test_an_incident_fires_in_alertmanager_until_its_image_passes(
    tmp_path: Path, alertmanager: Alertmanager
) -> None:
    people = {"lane": "incidents", "match": ["decision.would_reject = true"], "destinations": ["alerts"]}
    place = Place(
        tmp_path,
        cluster="product",
        egress={"allow": ["127.0.0.0/8"]},
        destinations=[
            {"name": "archive", "kind": "file", "path": "events.jsonl"},
            {"name": "alerts", "kind": "alertmanager", "urls": [alertmanager.url], "plain_http": True},
        ],
        routes={"destinations": ["archive"], "routes": [{"destinations": ["archive"], "continue": True}, people]},
    )
    async with place.running():
        await place.ask("r.example/other/app:1")
        (fired,) = await alertmanager.until(1, cluster="product")
        await place.post(json.dumps(pod("r.example/free/app:1", uid="another")).encode())
        over = await alertmanager.until(0, cluster="product")

    assert (fired["labels"]["alertname"], fired["labels"]["severity"]) == ("GatecrierIncident", "medium")
    assert over == []


async def test_readiness_begins_with_the_start_and_ends_with_the_drain(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.running():
        ready, alive = await place.probe("readyz"), await place.probe("healthz")

    assert (ready[0], alive[0]) == (200, 200)
    with pytest.raises(OSError, match=r"refused|connect"):
        await place.probe("readyz")


async def test_metrics_show_what_waits(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.running():
        await place.ask("r.example/other/app:1")
        await place.until_archived(1)
        _, text = await place.probe("metrics")

    assert 'gatecrier_requests_total{mode="detect",outcome="admitted"} 1.0' in text
    assert 'gatecrier_undelivered_deliveries{destination="archive"}' in text


async def test_a_changed_configuration_is_taken(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.running() as router:
        before = await place.ask("r.example/other/app:1")
        place.write(**ENFORCED)
        await router.reload()
        after = await place.ask("r.example/other/app:1")

    assert (before["allowed"], after["allowed"]) == (True, False)


async def test_a_request_in_hand_goes_on_by_the_configuration_that_it_came_under(tmp_path: Path) -> None:
    """Its policy, its routes, and its receivers, over a connection of their own configuration."""
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def paused(_: web.Request) -> None:
        asked.set()
        await goes_on.wait()

    async with RegistrySimulator().running() as registry, Sink().running() as before, Sink().running() as after:
        registry.load_layout(LAYOUTS / "legacy-release", "shop/web")
        registry.fault = paused
        keys = [{"name": "release", "file": str(DATA / "keys" / "release.pub")}]
        place = Place(
            tmp_path,
            **ENFORCED,
            registries=[{"host": registry.host, "plain_http": True}],
            verifiers=[{"name": "keys", "kind": "cosign", "keys": keys}],
            policy=[{"pattern": f"{registry.host}/**", "verifier": "keys"}],
            egress={"allow": ["127.0.0.0/8"]},
        )
        place.write(**_must_deliver("before", before))
        async with place.running() as router:
            asking = asyncio.create_task(place.ask(f"{registry.host}/shop/web:v1"))
            await asked.wait()
            place.write(policy=[{"pattern": "**", "verifier": "deny"}], **_must_deliver("after", after))
            await router.reload()
            goes_on.set()
            answer = await asking

    assert answer["allowed"] is True
    assert [json.loads(receipt.body)["data"]["decision"]["outcome"] for receipt in before.got] == ["admitted"]
    assert after.got == []


def _receiver(name: str, sink: Sink) -> dict[str, object]:
    return {"name": name, "kind": "webhook", "url": sink.url(), "plain_http": True, "must_deliver": True}


def _must_deliver(name: str, sink: Sink) -> dict[str, object]:
    return {"destinations": [_receiver(name, sink)], "routes": {"destinations": [name]}}


async def test_what_was_read_last_comes_into_force_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal and a changed file may come at the same time, and one of them may have read the old file."""
    place, goes_on, reads = Place(tmp_path), threading.Event(), list[int]()

    def slowly(config: Path, environment: Mapping[str, str]) -> object:
        reads.append(len(reads))
        found = attempt(config, environment)
        if len(reads) == 1:
            place.write(**ENFORCED)
            asyncio.run_coroutine_threadsafe(again(), loop)
            goes_on.wait(PATIENCE)
        return found

    async def again() -> None:
        second.append(asyncio.ensure_future(router.reload()))
        second[0].add_done_callback(lambda _: goes_on.set())
        if reading.locked():
            goes_on.set()

    loop, second = asyncio.get_running_loop(), list[asyncio.Future[None]]()
    async with place.running() as router:
        reading = router._reloading._turn
        monkeypatch.setattr(reloading, "attempt", slowly)
        await router.reload()
        await second[0]
        answer = await place.ask("r.example/other/app:1")

    assert answer["allowed"] is False


async def test_a_reload_waits_for_the_start_and_none_comes_after_the_end(tmp_path: Path, log: Log) -> None:
    place = Place(tmp_path)
    router = Router(place.config, {"HOSTNAME": "gatecrier-0"})
    starting = asyncio.create_task(router.start())
    await asyncio.sleep(0)
    await router.reload()
    await starting
    await router.stop()
    before = router.settings
    await router.reload()

    assert router.settings is before
    assert [line["event"] for line in log.lines].count("configuration_taken") == 1


async def test_a_bad_configuration_is_refused_and_the_old_one_stays(tmp_path: Path, log: Log) -> None:
    place = Place(tmp_path, **ENFORCED)
    async with place.running() as router:
        place.write(policy=[])
        await router.reload()
        answer = await place.ask("r.example/other/app:1")
        _, metrics = await place.probe("metrics")

    assert answer["allowed"] is False
    assert 'gatecrier_configuration_reloads_total{result="refused"} 1.0' in metrics
    assert log.named("configuration_refused")


async def test_a_destination_that_is_added_is_told_from_then_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.running() as router:
        await place.ask("r.example/other/app:1")
        await place.until_archived(1)
        more = [*place.settings["destinations"], {"name": "second", "kind": "file", "path": "second.jsonl"}]  # type: ignore[misc]  # a list
        place.write(destinations=more, routes={"destinations": ["archive", "second"]})
        await router.reload()
        await place.post(json.dumps(pod("r.example/x:1", uid="4711")).encode())
        await place.until_archived(2)
        async with asyncio.timeout(PATIENCE):
            while not (tmp_path / "second.jsonl").exists():  # noqa: ASYNC110 - a file tells nobody that it is there
                await asyncio.sleep(0.005)

    assert (tmp_path / "second.jsonl").read_text().count("\n") == 1


async def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path: Path) -> None:
    def renew() -> bytes:
        certificate, key = self_signed(["127.0.0.1"], dt.datetime.now(dt.UTC))
        (tmp_path / "tls.crt").write_bytes(certificate)
        (tmp_path / "tls.key").write_bytes(key)
        return ssl.PEM_cert_to_DER_cert(certificate.decode())

    async def shown(port: int) -> bytes:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return bytes(certificate)

    first = renew()
    place = Place(tmp_path)
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": {"certificate": "tls.crt", "key": "tls.key"}})
    async with place.running() as router:
        before = await shown(place.webhook)
        second = renew()
        await router.reload()
        after = await shown(place.webhook)

    assert (before, after) == (first, second)


async def test_a_second_router_on_the_same_outbox_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    async with place.running():
        second = Place(tmp_path)
        with pytest.raises(OutboxError, match="in use by another router"):
            async with second.running():
                pass


async def test_a_taken_port_is_refused_and_leaves_nothing_running(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "other").mkdir()
    async with place.running():
        other = Place(tmp_path / "other")
        other.write(webhook=place.settings["webhook"])
        with pytest.raises(ConfigurationError, match="can't listen on"):
            async with other.running():
                pass


async def test_a_configuration_with_mistakes_does_not_start(tmp_path: Path) -> None:
    place = Place(tmp_path, policy=[])
    with pytest.raises(ConfigurationError, match="policy"):
        async with place.running():
            pass


MALFORMED = [
    (b"{nope", "application/json", 400),
    (b"null", "application/json", 400),
    (b"[" * 100_000 + b"]" * 100_000, "application/json", 400),
    (b"{}", "text/plain", 415),
    (json.dumps(pod("a") | {"apiVersion": "admission.k8s.io/v1beta1"}).encode(), "application/json", 400),
]


@pytest.mark.parametrize(("body", "kind", "status"), MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_body_gets_the_status_that_says_why(
    tmp_path: Path, body: bytes, kind: str, status: int
) -> None:
    place = Place(tmp_path)
    async with place.running():
        found, _ = await place.post(body, headers={"Content-Type": kind})

    assert found == status


async def test_bodies_that_are_no_review_are_told_together(tmp_path: Path) -> None:
    """Anybody who reaches the port can send thousands."""
    place = Place(tmp_path)
    body = json.dumps(pod("a") | {"apiVersion": "admission.k8s.io/v1beta1"}).encode()
    async with place.running():
        for _ in range(5):
            await place.post(body)
        (event,) = await place.until_archived(1)

    told = event["data"]["unreadable"]  # type: ignore[index]  # JSON
    digest = hashlib.sha256(body).hexdigest()
    assert told == {"cause": "no_review", "count": 1, "first_peer": "127.0.0.1", "first_sha256": digest}
    assert place.events[-1]["data"]["unreadable"]["count"] == 4  # type: ignore[index]  # JSON; told at the drain


async def test_a_body_beyond_the_limit_is_413(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(webhook={"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "max_body": "64KiB"})
    async with place.running():
        status, _ = await place.post(b'{"a":"' + b"a" * 70_000 + b'"}')

    assert status == 413


async def test_mutate_answers_too(tmp_path: Path) -> None:
    place = Place(tmp_path, **ENFORCED)
    async with place.running():
        answer = await place.ask("r.example/other/app:1", path="mutate")

    assert answer["allowed"] is True
    assert "patch" not in answer


async def test_a_receiver_that_heard_of_an_admission_hears_that_it_became_a_refusal(tmp_path: Path) -> None:
    """The other one that must be told is down: the request is refused, and both hear what holds."""

    def says(receipt: Receipt) -> bytes:
        return answer("503 Service Unavailable") if b'"is_attempt":true' in receipt.body else OK

    async with Sink().running() as up, Sink(behave=says).running() as down:
        receivers = [_receiver("up", up), _receiver("down", down)]
        routes = {"destinations": ["up", "down"]}
        place = Place(tmp_path, **ENFORCED, egress={"allow": ["127.0.0.0/8"]}, destinations=receivers, routes=routes)
        listen = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms", "deadline": "300ms"}
        place.write(webhook=listen)
        async with place.running():
            refused = await place.ask("r.example/free/app:1")
            async with asyncio.timeout(PATIENCE):
                while len(up.got) < 2 or _told(down)[-1:] != ["rejected"]:  # noqa: ASYNC110 - a socket tells nobody
                    await asyncio.sleep(0.01)

    attempt, correction = (json.loads(receipt.body) for receipt in up.got)
    assert refused["allowed"] is False
    assert attempt["data"]["decision"]["is_attempt"] is True
    assert correction["data"]["corrects"] == attempt["id"] != correction["id"]
    assert _told(up) == ["admitted", "rejected"]


def _told(sink: Sink) -> list[str]:
    return [json.loads(receipt.body)["data"]["decision"]["outcome"] for receipt in sink.got]
