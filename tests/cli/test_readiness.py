"""What people are told of readiness: the answer as exit code, as text, for programs, and by another configuration."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest
import yaml

from router.cli import main
from router.cli.readiness.markdown import as_text
from router.decision.glass import Grant, GrantedImage
from router.events import as_json
from router.incidents.driver import IncidentsDriver
from router.incidents.rules import IncidentRules
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.readiness import beats, grouping, ledger
from router.readiness.judging import Scan
from router.routing import IncidentSettings, RouteSettings
from tests.assembly.small import Place
from tests.routing.event import event, image

DAY = 86400.0
DIGEST = "sha256:" + "a" * 64
_REFERENCE = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("apiVersion", "kind", "name", "namespace")},
    "additionalProperties": False,
}
_TIMESTAMP = {
    "type": "object",
    "required": ["seconds", "nanos"],
    "properties": {"seconds": {"type": "integer"}, "nanos": {"type": "integer"}},
}
_RESULT = {
    "type": "object",
    "required": ["policy"],
    "properties": {
        **{name: {"type": "string"} for name in ("source", "policy", "rule", "category", "message")},
        "severity": {"enum": ["high", "medium", "low"]},
        "result": {"enum": ["pass", "fail", "warn", "error", "skip"]},
        "scored": {"type": "boolean"},
        "timestamp": _TIMESTAMP,
        "resources": {"type": "array", "items": _REFERENCE},
        "properties": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
REPORT = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "results", "summary"],
    "properties": {
        **{name: {"type": "string"} for name in ("apiVersion", "kind")},
        "metadata": {"type": "object"},
        "scope": _REFERENCE,
        "summary": {"type": "object", "additionalProperties": {"type": "integer"}},
        "results": {"type": "array", "items": _RESULT},
    },
    "additionalProperties": False,
}
"""What both custom resources take, as far as it is used; written by their CRDs (`router.cli.readiness.policy_reports`):
what these do not name, an API server drops."""
Ask = Callable[..., tuple[int, str, str]]
_SEEN = {
    "shop": ("unsigned", "no_signature", "r.example/shop/web:1"),
    "clean": ("verified", "signed", "r.example/free/x:1"),
    "old": ("exempt", "exemption", "r.example/old/x:1"),
    "slow": ("unverifiable", "unreachable", "r.example/slow/x:1"),
}


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """A command about an outbox in which three namespaces were watched and scanned for a day."""
    exemption = {"pattern": "r.example/old/*", "namespaces": ["*"], "until": "2999-12-31", "reason": "SEC-1"}
    place, now = Place(tmp_path, readiness={"window": "1d"}, exemptions=[exemption]), time.time()
    let_in = {**exemption, "true_verdict": "unsigned", "true_reason": "no_signature"}
    del let_in["namespaces"]

    async def fill() -> None:
        outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "r")
        driver = IncidentsDriver(outbox, seen=grouping.note)
        driver.rules = IncidentRules.of(IncidentSettings(), (), RouteSettings(), "r", DAY)
        await driver.begin()
        for namespace, (verdict, reason, name) in _SEEN.items():
            found = image(verdict, reason=reason, image=name, reference=name, digest=DIGEST, wanted="a signature")
            if verdict == "exempt":
                found["exemption"] = let_in  # type: ignore[typeddict-item]  # texts
            data = event(found, namespace=namespace, would_reject=verdict not in {"verified", "exempt"})
            envelope = {"specversion": "1.0", "type": "dev.gatecrier.admission.decision.v1", "id": namespace}
            await outbox.append(NewEvent(namespace, as_json({**envelope, "data": data}), now, ("archive",)))
        while await driver.step():
            pass

        def watch(connection: object) -> int:
            beats.beat(connection, now - 2 * DAY, None)  # type: ignore[arg-type]  # a connection
            return beats.beat(connection, now, 60.0)  # type: ignore[arg-type]  # as above

        await outbox.change(watch)
        scans = {namespace: Scan(now - 60.0, 1, 0) for namespace in _SEEN}
        await outbox.change(lambda connection: ledger.note_scanned(connection, scans))
        await outbox.close()

    asyncio.run(fill())

    def asked(*arguments: str) -> tuple[int, str, str]:
        code = main(["readiness", *arguments, "--config", str(place.config)])
        out, err = capsys.readouterr()
        return code, out, err

    return asked


@pytest.mark.parametrize(
    ("namespace", "code", "state"),
    [("clean", 0, "ready"), ("shop", 1, "not_ready"), ("slow", 3, "unknown"), ("never-seen", 3, "unknown")],
)
def test_the_exit_code_is_the_answer(ask: Ask, namespace: str, code: int, state: str) -> None:
    found, out, _ = ask(namespace, "--json")
    (one,) = json.loads(out)

    assert (found, one["state"]) == (code, state)


def test_of_several_what_would_break_outranks_what_is_not_known(ask: Ask) -> None:
    code, out, _ = ask()

    assert code == 1
    assert re.search(r"^clean +ready +enforce +1 +0 ", out, re.MULTILINE)
    assert re.search(r"^shop +not_ready", out, re.MULTILINE)


def test_what_would_break_is_told_by_owner_with_the_next_step(ask: Ask) -> None:
    _, out, _ = ask("shop")
    (one,) = json.loads(ask("shop", "--json")[1])

    assert "Deployment web: r.example/shop/web:1 (container web): unsigned (no_signature)" in out
    assert "exemptions: [{pattern: r.example/shop/web, namespaces: [shop], until: DATE, reason: WHY}]" in out
    assert f"Sign it with: cosign sign --key ... r.example/shop/web@{DIGEST}" in out
    assert one["would_break"][0]["owner"] == {"api_version": "apps/v1", "kind": "Deployment", "name": "web"}
    assert one["would_break"][0]["next_steps"][0].startswith("Sign it with")


def test_what_is_not_known_is_told_with_how_to_find_out(ask: Ask) -> None:
    (one,) = json.loads(ask("slow", "--json")[1])
    text = ask("slow")[1]

    assert [missing["code"] for missing in one["not_known"]] == ["unreachable"]
    assert "could not be looked at" in text
    assert one["not_known"][0]["what_to_do"] in text


def test_a_longer_window_may_not_have_been_watched(ask: Ask) -> None:
    code, out, _ = ask("clean", "--since", "7d")

    assert code == 3
    assert "watched_too_short" in out


def test_a_report_for_people_lets_nobody_write_markup(ask: Ask) -> None:
    code, out, _ = ask("--markdown")

    assert code == 1
    assert "## shop: not ready" in out
    assert "**Deployment web**: r.example/shop/web:1" in out


@pytest.mark.parametrize(("verifier", "code", "count"), [("allow", 0, 0), ("deny", 1, 1)])
def test_what_was_seen_is_judged_by_another_configuration(
    ask: Ask, tmp_path: Path, verifier: str, code: int, count: int
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    changed = Place(other, policy=[{"pattern": "**", "verifier": verifier}])
    found, out, _ = ask("shop", "--what-if", str(changed.config), "--json")
    (one,) = json.loads(out)

    assert (found, one["would_break_count"]) == (code, count)
    assert [broken["reason"] for broken in one["would_break"]] == ["static_deny"] * count


def test_a_rule_in_detect_breaks_nothing_in_another_configuration(ask: Ask, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    changed = Place(other, policy=[{"pattern": "**", "verifier": "deny", "mode": "detect"}])

    assert ask("shop", "--what-if", str(changed.config))[0] == 0


def test_another_configuration_is_not_said_to_break_nothing_where_some_of_what_was_seen_is_forgotten(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was forgotten passed by the rules of then: nobody knows what others say of it."""
    other = tmp_path / "other"
    other.mkdir()
    changed = Place(other, policy=[{"pattern": "**", "verifier": "allow"}])
    assert ask("clean", "--what-if", str(changed.config))[0] == 0
    monkeypatch.setattr(ledger, "IMAGES_KEPT", 1)
    code, out, _ = ask("clean", "--what-if", str(changed.config), "--json")

    assert (code, [missing["code"] for missing in json.loads(out)[0]["not_known"]]) == (3, ["forgotten"])


def test_what_is_let_in_for_a_time_is_told_with_its_end(ask: Ask, tmp_path: Path) -> None:
    """It is ready, and what breaks at the end is known before."""
    grant = Grant("g", "old", (GrantedImage("r.example/old/y:1", DIGEST),), "alice", "it burns", 32503679999.0)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as connection, connection:
        row = (grant.id, grant.namespace, grant.until, msgspec.json.encode(grant).decode())
        connection.execute("INSERT INTO grants VALUES (?, ?, ?, ?)", row)
    code, out, _ = ask("old", "--json")
    (one,) = json.loads(out)
    texts = [ask("old")[1], ask("old", "--markdown")[1]]

    assert (code, one["exempted"][0]["until"]) == (0, "3000-01-01T00:00:00Z")
    assert (one["granted"][0]["by"], one["granted"][0]["until"]) == ("alice", "2999-12-31T23:59:59Z")
    assert all("unsigned (no_signature)" in text.replace("\\", "") and "it burns" in text for text in texts)


@pytest.mark.parametrize("text", ["[a](https://evil)", "www.evil", "@team", "<b>", "a|b", "*x*", "a\n# b", "`x`"])
def test_what_others_wrote_is_text_in_markdown(text: str) -> None:
    """A report is read where links and mentions mean something."""
    written = as_text(text)

    assert not re.search(r"(?<!\\)[\[\]<>|*`@]|(?<!\\):(?=//)|www\.|\n", written)


@pytest.mark.parametrize(
    ("namespace", "result"), [("clean", "pass"), ("shop", "fail"), ("slow", "error"), ("never-seen", "warn")]
)
def test_tools_for_policy_reports_are_told_in_their_own_form(ask: Ask, namespace: str, result: str) -> None:
    _, out, _ = ask(namespace, "--policy-report")
    documents = list(yaml.safe_load_all(out))

    assert [(one["apiVersion"], one["kind"]) for one in documents] == [
        ("wgpolicyk8s.io/v1alpha2", "PolicyReport"),
        ("openreports.io/v1alpha1", "Report"),
    ]
    for one in documents:
        jsonschema.validate(one, REPORT)
        assert one["metadata"]["namespace"] == namespace
        assert one["results"][0]["result"] == result
        assert sum(one["summary"].values()) == len(one["results"])


@pytest.mark.parametrize("more", [("--what-if", "other.yaml"), ("--policy-report",)])
def test_nobody_else_is_asked_again_and_again(ask: Ask, more: tuple[str, ...]) -> None:
    code, _, err = ask("--watch", *more)

    assert code == 2
    assert "--watch" in err


def test_one_form_is_asked_for(ask: Ask) -> None:
    code, _, err = ask("--markdown", "--json")

    assert code == 2
    assert "--markdown" in err
