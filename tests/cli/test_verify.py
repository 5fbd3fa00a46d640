"""`gatecrier verify`, against a real docker-registry that holds what real tools have signed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from tests.simulators.docker_registry import DockerRegistry
from tests.trust.repository import OwnRepository, Server
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


def configured(folder: Path, registry: DockerRegistry, *verifiers: Mapping[str, object], **more: object) -> str:
    """The option that names a configuration in this folder; the verifier of all images is `shop`."""
    config = {
        "cluster": "test",
        "outbox": {"url": "sqlite:///outbox.db"},
        "registries": [{"host": registry.host, "plain_http": True}],
        "verifiers": verifiers,
        "policy": [{"pattern": "**", "verifier": "shop"}],
    }
    (folder / "gatecrier.yaml").write_text(json.dumps(config | more))
    return f"--config={folder / 'gatecrier.yaml'}"


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
    assert sorted(piece["meanings"][0]["verdict"] for piece in image["evidence"]) == pieces
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
    assert [piece["meanings"][0]["reason"] for piece in told["evidence"]] == ["not_logged"]


def test_whom_a_strangers_certificate_names_is_told(capsys: Captured, open_registry: DockerRegistry) -> None:
    """The identity is spelt otherwise than the rule wants it: that is what most refusals are about."""
    root = ALICE[2]
    image = held(open_registry, "bundle-suffixed-email", KEYLESS)
    code, (told,) = objects(capsys, open_registry, *ALICE, image)
    (piece,) = told["evidence"][0]["meanings"]
    legacy = held(open_registry, "legacy-email", KEYLESS)
    _, (other,) = objects(capsys, open_registry, ALICE[0], "--subject=bob@shop.example", root, legacy)

    assert (code, piece["reason"]) == (1, "untrusted_signer")
    assert "its certificate says alice@shop.example." in piece["detail"]
    assert (
        "its certificate says alice@shop.example (issuer https://accounts"
        in other["evidence"][0]["meanings"][0]["detail"]
    )


def test_notation_is_verified_by_flags_alone(capsys: Captured, open_registry: DockerRegistry) -> None:
    image = held(open_registry, "notation-jws-rsa")
    store = f"--trust-store={KEYS / 'notation-rsa-ca.pem'}"
    code, (told,) = objects(capsys, open_registry, store, image)
    other, (strange,) = objects(capsys, open_registry, f"--trust-store={KEYS / 'notation-stranger-ca.pem'}", image)

    assert (code, other) == (0, 1)
    assert told["signers"][0]["identity"]
    assert [piece["format"] for piece in told["evidence"]] == ["notation"]
    assert "its certificate says CN=notation-rsa signer" in strange["evidence"][0]["meanings"][0]["detail"]


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


def test_verifiers_that_are_combined_say_each_what_a_piece_is_to_it(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path
) -> None:
    image = held(open_registry, "legacy-release")
    config = configured(
        tmp_path,
        open_registry,
        {"name": "ours", "kind": "cosign", "keys": [{"name": "release", "file": str(KEYS / "release.pub")}]},
        {
            "name": "theirs",
            "kind": "notation",
            "identities": ["*"],
            "trust_stores": [{"name": "supplier", "type": "ca", "file": str(KEYS / "notation-rsa-ca.pem")}],
        },
        {"name": "others", "kind": "cosign", "keys": [{"name": "security", "file": str(KEYS / "security.pub")}]},
        {"name": "shop", "kind": "any_of", "verifiers": ["ours", "theirs", "others"]},
    )
    code, out, _ = said(capsys, config, "--json", image)
    (told,) = json.loads(out)
    (piece,) = told["evidence"]
    _, text, _ = said(capsys, config, image)

    assert (code, told["verdict"], told["verifier"]) == (0, "verified", "shop")
    assert [(one["verifier"], one["verdict"]) for one in piece["meanings"]] == [
        ("others", "untrusted"),
        ("ours", "verified"),
    ]
    assert text.count("a simple signing signature") == 1
    assert '      to ours: proves it: signed by "release"\n' in text
    assert "to others: untrusted (untrusted_signer): a signature by nobody who is trusted" in " ".join(text.split())


def test_an_expired_signature_of_notation_is_told_with_its_remedy(
    capsys: Captured, open_registry: DockerRegistry
) -> None:
    image = held(open_registry, "notation-jws-expired")
    code, (told,) = objects(capsys, open_registry, f"--trust-store={KEYS / 'notation-ec-ca.pem'}", image)
    (piece,) = told["evidence"]

    assert (code, told["verdict"], told["reason"]) == (1, "invalid", "expired")
    assert told["remedy"] == "Sign it again."
    assert [one["reason"] for one in piece["meanings"]] == ["expired"]


def test_whether_a_signer_was_revoked_is_asked_where_that_is_wanted(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path
) -> None:
    """A certificate that names nobody to ask can't be revoked; with nobody to ask, it would count as unknown."""
    image = held(open_registry, "notation-jws-rsa")
    config = configured(
        tmp_path,
        open_registry,
        {
            "name": "shop",
            "kind": "notation",
            "identities": ["*"],
            "trust_stores": [{"name": "supplier", "type": "ca", "file": str(KEYS / "notation-rsa-ca.pem")}],
            "override": {"revocation": "enforce"},
        },
    )
    code, out, _ = said(capsys, config, "--json", image)
    (told,) = json.loads(out)

    assert (code, told["verdict"]) == (0, "verified")
    assert [one["verdict"] for piece in told["evidence"] for one in piece["meanings"]] == ["verified"]


def test_a_renewed_root_that_is_kept_beside_the_outbox_counts(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path, own: OwnRepository, server: Server
) -> None:
    """As the running product has it, which reads the same files; without them nothing can be proven yet."""
    image = held(open_registry, "bundle-rekor-v1", KEYLESS)
    (tmp_path / "tuf-root.json").write_bytes(own.beginning)
    alice = {"name": "alice", "issuer": "https://accounts.shop.example", "subject": "alice@shop.example"}
    config = configured(
        tmp_path,
        open_registry,
        {"name": "shop", "kind": "cosign", "keyless": [alice], "trust_root": "own"},
        trust_roots=[{"name": "own", "tuf": {"url": server.url, "root": "tuf-root.json"}}],
    )
    before, out, _ = said(capsys, config, "--json", image)
    (waiting,) = json.loads(out)
    assert main(["trust", "refresh", config]) == 0
    capsys.readouterr()
    after, out, _ = said(capsys, config, "--json", image)
    (proven,) = json.loads(out)

    assert (before, waiting["reason"], waiting["places"]) == (3, "trust_missing", [])
    assert "gatecrier trust refresh" in waiting["remedy"]
    assert (after, proven["verdict"], proven["signers"][0]["name"]) == (0, "verified", "alice")


def test_roots_that_can_not_be_read_or_do_not_hold_are_none(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path, own: OwnRepository
) -> None:
    (tmp_path / "tuf-root.json").write_bytes(own.beginning)
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "own.json").write_text('{"confirmed_at": 9e9, "files": {"targets.json": "{}"}}')
    config = configured(
        tmp_path,
        open_registry,
        {"name": "shop", "kind": "cosign", "keyless": [{"name": "a", "issuer": "https://a", "subject": "a"}]}
        | {"trust_root": "own"},
        trust_roots=[{"name": "own", "tuf": {"url": "http://127.0.0.1:1", "root": "tuf-root.json"}}],
    )
    code, out, _ = said(capsys, config, "--json", f"{open_registry.host}/verify/x@sha256:{'0' * 64}")

    assert (code, json.loads(out)[0]["reason"]) == (3, "trust_missing")


def test_a_combination_that_can_prove_nothing_is_refused_here_as_at_the_start(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path
) -> None:
    shop = {"name": "shop", "kind": "all_of", "verifiers": ["nobody"]}
    code, out, err = said(capsys, configured(tmp_path, open_registry, shop), "a/b:1")

    assert (code, out) == (3, "")
    assert '"nobody" names no verifier' in err


def test_a_demand_that_is_misspelt_is_refused_and_not_passed_over(capsys: Captured, tmp_path: Path) -> None:
    policy = [{"pattern": "**", "verifier": "allow", "with": {"treshold": 2}}]
    (tmp_path / "c.yaml").write_text(json.dumps({"cluster": "test", "policy": policy}))
    code, out, err = said(capsys, f"--config={tmp_path / 'c.yaml'}", "a/b:1")

    assert (code, out) == (3, "")
    assert 'did you mean "threshold"?' in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key=none.pub"], '"none.pub" can\'t be read'),
        (["--issuer=https://x"], "exactly one of subject and subject_regex"),
        (["--threshold=2"], "nobody is trusted yet"),
        ([RELEASE, "--threshold=2"], "threshold 2 can never be met"),
        ([RELEASE, "--level=strict"], "--key is cosign's and --level Notation's"),
        ([RELEASE, "--config=x.yaml"], "exclude each other"),
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


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--config=none.yaml"], "none.yaml"), ([], "give --config FILE, or --key FILE")]
)
def test_without_a_configuration_nothing_can_be_told(capsys: Captured, arguments: list[str], words: str) -> None:
    code, out, err = said(capsys, *arguments, "a/b:1")

    assert (code, out) == (3, "")
    assert words in err


@pytest.mark.parametrize(
    "arguments", [["--json", "--jsonl"], ["--timeout=0"], ["--timeout=5"], ["--timeout=2h"], ["--annotation=x"]]
)
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
    assert out.splitlines()[0] == "x\\u001b[2J\\u202e/y:1\\n"
    assert out.replace("\n", "").isprintable()
    assert as_json.count("\n") == 1
    assert as_json.rstrip("\n").isprintable()


def test_an_image_that_is_let_pass_unseen_is_no_failure(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text('{"cluster": "test", "policy": [{"pattern": "**", "verifier": "allow"}]}')
    code, out, _ = said(capsys, f"--config={tmp_path / 'c.yaml'}", "--jsonl", "a/b:1")

    assert code == 0
    assert json.loads(out)["verdict"] == "exempt"
