"""Nobody is given a secret that is not his."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.settings.loading import Loaded
from router.settings.parts import for_gate, for_keeper, gate_part, keeper_part
from router.settings.snapshot import Snapshot
from tests.settings.configurations import DATA, ENVIRONMENT, example, loaded

TENANT = "4711"


@pytest.fixture
def whole(tmp_path: Path) -> Loaded:
    """The example, with a certificate of the webhook and a client certificate of a destination."""
    text = example().replace("tls: self-signed", "tls: {certificate: tls.crt, key: tls.key}")
    pair = "client_certificate: {certificate: ours.crt, key: ours.key}"
    for name in ("crt", "key"):
        (tmp_path / f"ours.{name}").write_bytes((DATA / f"tls.{name}").read_bytes())
    return loaded(tmp_path, text.replace("    timeout: 5s", f"    timeout: 5s\n    {pair}"))


def names(part: Snapshot) -> set[str]:
    """The files of a part, by their last name."""
    return {Path(path).name for path in part.files}


def test_a_gate_holds_no_secret_of_a_destination(whole: Loaded) -> None:
    """Whoever breaks into the process that faces the cluster must find none."""
    part = for_gate(whole)

    assert names(part) == {
        "gatecrier.yaml",
        "registry-ca.pem",
        "docker-config.json",
        "security.pub",
        "tls.crt",
        "tls.key",
    }
    assert not part.environment
    encoded = part.encoded()
    assert not [secret for secret in (*ENVIRONMENT.values(), "hooks.slack.com", TENANT) if secret.encode() in encoded]


def test_a_keeper_holds_no_credential_of_a_registry_and_no_key_of_the_webhook(whole: Loaded) -> None:
    """Whoever breaks into the process that speaks with receivers must find none."""
    part = for_keeper(whole)

    assert names(part) >= {"gatecrier.yaml", "slack-url", "ours.crt", "ours.key", "sysdig.json"}
    assert not names(part) & {"registry-ca.pem", "docker-config.json", "security.pub", "tls.crt", "tls.key"}
    assert part.environment == ENVIRONMENT
    assert b"docker-config" not in part.encoded()


def test_both_parts_together_are_the_whole(whole: Loaded) -> None:
    gate = gate_part(Snapshot.decoded(for_gate(whole).encoded())).settings
    keeper = keeper_part(Snapshot.decoded(for_keeper(whole).encoded()))
    settings = whole.settings

    assert (gate.webhook, gate.policy, gate.routes) == (settings.webhook, settings.policy, settings.routes)
    assert [one.host for one in gate.registries] == [one.host for one in settings.registries]
    assert [(to.name, to.must_deliver) for to in gate.destinations] == [
        (to.name, to.must_deliver) for to in settings.destinations
    ]
    assert keeper.settings.destinations == settings.destinations
    assert keeper.templates == whole.templates


def test_what_is_no_part_is_refused(whole: Loaded) -> None:
    broken = Snapshot(whole.snapshot.name, whole.snapshot.path, {whole.snapshot.path: b"cluster: test"}, {})

    for read in (gate_part, keeper_part):
        with pytest.raises(ConfigurationError, match="not a part"):
            read(broken)
