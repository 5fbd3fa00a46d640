from __future__ import annotations

import json

import pytest
import structlog
from pydantic import SecretStr

from router.telemetry import logs


@pytest.fixture(autouse=True)
def _restored() -> None:
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_event_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.logger().info("request_decided", uid="1", verdicts=["a: verified"])

    line = json.loads(capsys.readouterr().err)
    assert {key: line[key] for key in ("event", "level", "uid", "verdicts")} == {
        "event": "request_decided",
        "level": "info",
        "uid": "1",
        "verdicts": ["a: verified"],
    }
    assert line["timestamp"].endswith("Z")


def test_secrets_and_credentials_can_not_be_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Redaction is by construction: by type and by key, whoever writes the line."""
    logs.configure()
    logs.logger().warning("x", token="abc", url="https://hooks.example/secret", found=SecretStr("hidden"))

    text = capsys.readouterr().err
    assert not any(secret in text for secret in ("abc", "hooks.example", "hidden"))
    assert text.count(logs.REDACTED) == 3


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback over many lines would be many entries for whoever collects them."""
    logs.configure()
    try:
        int("broken")
    except ValueError:
        logs.logger().exception("failed")

    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "ValueError: " in json.loads(text)["exception"]


def test_a_value_of_any_type_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.logger().info("x", odd=object, key={1: "a"})

    assert json.loads(capsys.readouterr().err)["key"] == {"1": "a"}


def test_the_readable_form_names_event_and_values(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(readable=True)
    logs.logger().info("request_decided", uid="4711")

    text = capsys.readouterr().err
    assert "request_decided" in text
    assert "4711" in text


def test_debug_lines_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.logger().debug("detail")

    assert capsys.readouterr().err == ""
