"""`gatecrier verify`, against a real docker-registry that holds what real tools have signed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from tests.simulators.docker_registry import DockerRegistry
from tests.verification.world import DATA

pytestmark = pytest.mark.usefixtures("_log_of_the_test")
Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]
KEYS, KEYLESS = DATA / "keys", DATA / "keyless"
RELEASE = f"--key={KEYS / 'release.pub'}"
ALICE = (
    "--issuer=https://accounts.shop.example",
    "--subject=alice@shop.example",
    f"--trust-root={KEYLESS / 'trusted_root.json'}",
)


def held(registry: DockerRegistry, layout: str, folder: Path = DATA) -> str:
    """An image in the registry, as the layout holds it."""
    registry.push_layout(folder / "layouts" / layout, f"verify/{layout}")
    return f"{registry.host}/verify/{layout}:v1"


def said(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = main(["verify", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def objects(capsys: Captured, registry: DockerRegistry, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    code, out, err = said(capsys, "--json", f"--plain-http={registry.host}", *arguments)

    assert err == ""
    return code, json.loads(out)


@pytest.mark.parametrize(
    ("layout", "code", "verdict", "pieces"),
    [
        ("legacy-release", 0, "verified", ["verified"]),
        ("bundle-two-signers", 0, "verified", ["untrusted", "verified"]),
        ("bundle-stranger", 1, "untrusted", ["untrusted"]),
        ("legacy-attestation-only", 1, "unsigned", []),
        ("bundle-attestation-only", 1, "unsigned", ["unsigned"]),
        ("bundle-flipped-payload", 1, "untrusted", ["untrusted"]),
        ("bundle-foreign-claim", 1, "invalid", ["invalid"]),
    ],
)
def test_each_piece_of_evidence_is_told_with_what_it_proves_or_why_not(
    capsys: Captured, open_registry: DockerRegistry, layout: str, code: int, verdict: str, pieces: Sequence[str]
) -> None:
    found, (image,) = objects(capsys, open_registry, RELEASE, held(open_registry, layout))

    assert (found, image["verdict"]) == (code, verdict)
    assert sorted(piece["verdict"] for piece in image["evidence"]) == pieces
    assert image["rule"] == "**"
    assert image["wanted"] == 'a signature by key "release"'
    assert image["digest"].startswith("sha256:")
    assert image["places"] == ["sig_tag", "referrers_api", "fallback_tag"]
    assert all(piece["place"] in image["places"] for piece in image["evidence"])


def test_a_signer_is_told_with_identity_time_and_entry_of_the_log(
    capsys: Captured, open_registry: DockerRegistry
) -> None:
    image = held(open_registry, "bundle-rekor-v1", KEYLESS)
    code, (told,) = objects(capsys, open_registry, *ALICE, image)
    (signer,) = told["signers"]
    (entry,) = signer["log_entries"]

    assert code == 0
    assert (signer["identity"], signer["issuer"]) == ("alice@shop.example", "https://accounts.shop.example")
    assert signer["fingerprint"] is None
    assert entry["log"]
    assert isinstance(entry["index"], int)
    assert signer["times"] == [entry["time"]]
    assert entry["time"].endswith("Z")


def test_what_a_signature_lacks_is_told_although_nobody_else_has_signed(
    capsys: Captured, open_registry: DockerRegistry
) -> None:
    image = held(open_registry, "bundle-no-entry", KEYLESS)
    code, (told,) = objects(capsys, open_registry, *ALICE, image)

    assert (code, told["reason"]) == (1, "not_logged")
    assert told["remedy"].startswith("Sign it again without leaving out the log")
    assert [piece["reason"] for piece in told["evidence"]] == ["not_logged"]


def test_whom_a_strangers_certificate_names_is_told(capsys: Captured, open_registry: DockerRegistry) -> None:
    """The identity is spelt otherwise than the rule wants it: that is what most refusals are about."""
    root = ALICE[2]
    image = held(open_registry, "bundle-suffixed-email", KEYLESS)
    code, (told,) = objects(capsys, open_registry, *ALICE, image)
    (piece,) = told["evidence"]
    legacy = held(open_registry, "legacy-email", KEYLESS)
    _, (other,) = objects(capsys, open_registry, ALICE[0], "--subject=bob@shop.example", root, legacy)

    assert (code, piece["reason"]) == (1, "untrusted_signer")
    assert "its certificate says alice@shop.example." in piece["detail"]
    assert "its certificate says alice@shop.example (issuer https://accounts" in other["evidence"][0]["detail"]


def test_notation_is_verified_by_flags_alone(capsys: Captured, open_registry: DockerRegistry) -> None:
    image = held(open_registry, "notation-jws-rsa")
    store = f"--trust-store={KEYS / 'notation-rsa-ca.pem'}"
    code, (told,) = objects(capsys, open_registry, store, image)
    other, (strange,) = objects(capsys, open_registry, f"--trust-store={KEYS / 'notation-stranger-ca.pem'}", image)

    assert (code, other) == (0, 1)
    assert told["signers"][0]["identity"]
    assert [piece["format"] for piece in told["evidence"]] == ["notation"]
    assert "its certificate says CN=notation-rsa signer" in strange["evidence"][0]["detail"]


def test_of_several_images_what_is_wrong_wins_over_what_could_not_be_checked(
    capsys: Captured, open_registry: DockerRegistry
) -> None:
    good, bad = held(open_registry, "legacy-release"), held(open_registry, "bundle-stranger")
    gone = f"{open_registry.host}/verify/none:v1"
    codes = [
        objects(capsys, open_registry, RELEASE, *images)[0]
        for images in ([good], [good, gone], [gone, bad], [gone, good, bad, good])
    ]

    assert codes == [0, 3, 1, 1]


def test_a_configuration_judges_as_the_gate_does_without_its_secrets(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path
) -> None:
    """A pipeline has neither the webhook's key nor the addresses of destinations."""
    image = held(open_registry, "legacy-release")
    config = {
        "cluster": "test",
        "webhook": {"listen": "127.0.0.1:8443", "tls": {"certificate": "none.crt", "key": "none.key"}},
        "operations": {"listen": "127.0.0.1:9090"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "registries": [{"host": open_registry.host, "plain_http": True}],
        "verifiers": [{"name": "shop", "kind": "cosign", "keys": [{"name": "release", "file": "release.pub"}]}],
        "policy": [{"pattern": f"{open_registry.host}/verify/*", "verifier": "shop"}],
        "destinations": [{"name": "slack", "kind": "slack", "url": {"env": "GATECRIER_NOT_SET"}}],
    }
    (tmp_path / "release.pub").write_bytes((KEYS / "release.pub").read_bytes())
    (tmp_path / "gatecrier.yaml").write_text(json.dumps(config))
    code, out, _ = said(capsys, f"--config={tmp_path / 'gatecrier.yaml'}", "--json", image, "elsewhere.example/x:1")
    told = json.loads(out)

    assert code == 1
    assert [(entry["verdict"], entry["reason"]) for entry in told] == [("verified", "signed"), ("denied", "no_rule")]
    assert told[0]["verifier"] == "shop"


def test_a_demand_that_is_misspelt_is_refused_and_not_passed_over(capsys: Captured, tmp_path: Path) -> None:
    policy = [{"pattern": "**", "verifier": "allow", "with": {"treshold": 2}}]
    (tmp_path / "c.yaml").write_text(json.dumps({"cluster": "test", "policy": policy}))
    code, out, err = said(capsys, f"--config={tmp_path / 'c.yaml'}", "a/b:1")

    assert (code, out) == (2, "")
    assert 'did you mean "threshold"?' in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key=none.pub"], "'none.pub' can't be read"),
        (["--issuer=https://x"], "exactly one of subject and subject_regex"),
        (["--threshold=2"], "nobody is trusted yet"),
        ([RELEASE, "--threshold=2"], "threshold 2 can never be met"),
        ([RELEASE, "--level=strict"], "--key is cosign's and --level Notation's"),
        ([RELEASE, "--config=x.yaml"], "exclude each other"),
        (["--config=none.yaml"], "none.yaml"),
        ([], "give --config FILE, or --key FILE"),
        ([RELEASE, "--plain-http=http://x"], "is no registry"),
        ([RELEASE, "--where=true"], "predicate_type"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_told_and_nothing_is_asked(
    capsys: Captured, arguments: list[str], words: str
) -> None:
    code, out, err = said(capsys, *arguments, "a/b:1")

    assert (code, out) == (2, "")
    assert words in err
    assert "command line:1:" not in err


@pytest.mark.parametrize("arguments", [["--json", "--jsonl"], ["--timeout=0"], ["--timeout=x"], ["--annotation=x"]])
def test_options_that_mean_nothing_are_refused(capsys: Captured, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *arguments, "a/b:1"])

    assert ended.value.code == 2
    assert "usage: gatecrier verify" in capsys.readouterr().err


def test_people_read_it_in_80_columns_without_colours_where_nobody_wants_them(
    capsys: Captured, open_registry: DockerRegistry
) -> None:
    image = held(open_registry, "bundle-two-signers")
    code, out, _ = said(capsys, RELEASE, f"--plain-http={open_registry.host}", image)
    lines = out.splitlines()
    documented = (ROOT / "docs" / "asking.md").read_text()

    assert code == 0
    assert out.strip().replace(image, "registry.example/shop/web:v1") in documented
    assert lines[0] == image
    assert lines[1] == '  verified (signed): signed by "release"'
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert '      proves it: signed by "release"' in lines
    assert "      untrusted (untrusted_signer): a signature by nobody who is trusted" in lines
    assert "  the .sig tag: nothing" in lines


def test_nothing_that_others_wrote_steers_the_terminal(capsys: Captured) -> None:
    code, out, _ = said(capsys, RELEASE, "x\x1b[2J\u202e/y:1\n")
    _, as_json, _ = said(capsys, RELEASE, "--jsonl", "x\x1b[2J\u202e/y:1\n")

    assert code == 1
    assert out.splitlines()[0] == "x\\u001b[2J\\u202e/y:1\\u000a"
    assert out.replace("\n", "").isprintable()
    assert as_json.count("\n") == 1
    assert as_json.rstrip("\n").isprintable()


def test_an_image_that_is_let_pass_unseen_is_no_failure(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text('{"cluster": "test", "policy": [{"pattern": "**", "verifier": "allow"}]}')
    code, out, _ = said(capsys, f"--config={tmp_path / 'c.yaml'}", "--jsonl", "a/b:1")

    assert code == 0
    assert json.loads(out)["verdict"] == "exempt"
