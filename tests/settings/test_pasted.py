"""Secrets that were pasted where their names belong, and what else errors must not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.settings.loading import Loaded, Refused, attempt
from tests.settings.configurations import ENVIRONMENT, example, refused, written

TOKEN = "xoxb-hush-1234567890"
PASTED = [
    ("{file: slack-url}", "{file: https://hooks.slack.com/services/T0/B0/hush}", "file name"),
    ("{file: slack-url}", "{file: 'two words hush'}", "file name"),
    ("{file: slack-url}", '{file: "a\\nhush"}', "file name"),
    ("{file: slack-url}", "{file: 'x?token=hush'}", "file name"),
    ("{file: slack-url}", "{file: " + "hush" * 64 + "}", "(a text of 256 characters that is no file name)"),
    ("{file: slack-url}", "{file: " + TOKEN + "}", "(a text of 20 characters that is no file name)"),
    ("{file: slack-url}", "{file: 20202020}", "found a number; expected"),
    ("{file: slack-url}", "{https://hush: }", "{file: PATH} or {env: NAME} and nothing else"),
    ("{file: slack-url}", "{hush: 1}", "{file: PATH} or {env: NAME} and nothing else"),
    ("{env: SYSDIG_TOKEN}", "{env: ghp_hushhushhush}", "(a text of 16 characters that is no name of a variable)"),
    ("{env: SYSDIG_TOKEN}", "{env: " + "hush" * 20 + "}", "(a text of 80 characters that is no name of a variable)"),
    ("{env: SYSDIG_TOKEN}", "{env: [hush]}", "found a list"),
    ("{name: security, file: security.pub}", "{name: security, file: 'eyJhush'}", "that is no file name"),
    ("host: registry.example", "host: https://user:hush@registry.example", "that is no registry host"),
    ("host: registry.example", "host: " + "hush" * 100, "a text of 400 characters that is no registry host"),
    ("ca: registry-ca.pem", "ca: 'hush hush'", "that is no file name"),
    ("{file: docker-config.json}", "{file: 'hush hush'}", "that is no file name"),
    ("tls: self-signed", "tls: {certificate: tls.crt, key: 'BEGIN hush'}", "that is no file name"),
    ("tls: self-signed", "tls: 'https://user:hush@host/'", "found a text; expected"),
    ("credentials: {file: docker-config.json}", "credentials: 'alice:hush'", "found a text; expected a map"),
    ("credentials: {file: docker-config.json}", "credentials: ghp_hush12", "found a text; expected a map"),
    (
        'pattern: "127.0.0.1:5000/shop/',
        'pattern: "https://user:hush@127.0.0.1:5000/shop/',
        '"https://...@127.0.0.1:5000/shop/',
    ),
    ('pattern: "127.0.0.1:5000/shop/', 'pattern: "user:hush@127.0.0.1:5000/shop/', '"...@127.0.0.1:5000/shop/'),
    (
        'url: "sqlite:///outbox.db"',
        'url: "hush"',
        "a text of 4 characters that is no beginning of a URL) is not an outbox",
    ),
]


@pytest.mark.parametrize(("found", "pasted", "words"), PASTED, ids=range(len(PASTED)))
def test_a_secret_that_was_pasted_where_its_name_belongs_is_not_repeated(
    found: str, pasted: str, words: str, tmp_path: Path
) -> None:
    """Errors go to logs and to tickets."""
    assert found in example()
    said = refused(tmp_path, example().replace(found, pasted, 1))

    assert "hush" not in said
    assert "20202020" not in said
    assert words in said


@pytest.mark.parametrize(
    ("found", "written_instead", "words"),
    [
        ("{file: slack-url}", "{file: secrets/slack-url.v2}", '"secrets/slack-url.v2" can\'t be read'),
        ("{env: SYSDIG_TOKEN}", "{env: _Token_7}", '"_Token_7" is not set'),
        ("ca: registry-ca.pem", "ca: gone.pem", 'the CA file "gone.pem" can\'t be read'),
    ],
)
def test_what_looks_like_a_name_is_repeated(found: str, written_instead: str, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, example().replace(found, written_instead, 1))


def test_addresses_in_urls_that_are_referenced_are_judged_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, example())
    (tmp_path / "slack-url").write_text("https://169.254.169.254/hush")
    refusal = attempt(path, ENVIRONMENT)
    (tmp_path / "slack-url").write_text("https://10.1.2.3/hush")
    result = attempt(path, ENVIRONMENT)

    assert isinstance(refusal, Refused)
    assert "destinations[1].url (soc-slack): the host of the url that is referenced is a link-local" in refusal.text
    assert "169.254" not in refusal.text
    assert isinstance(result, Loaded)
    assert [warning for warning in result.warnings if "url that is referenced is not a public address" in warning]
    assert not [warning for warning in result.warnings if "10.1.2.3" in warning]


def test_the_address_of_a_proxy_is_judged_too(tmp_path: Path) -> None:
    text = example().replace("  - name: siem\n", '  - name: siem\n    proxy: "http://169.254.1.1:3128"\n')

    assert "destinations[2].proxy (siem): 169.254.1.1 is a link-local" in refused(tmp_path, text)
