"""Connaisseur's values become a configuration that means the same, or says where it does not."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router.cli import main
from router.cli.importing.converting import converted_values
from router.cli.importing.values import read_values
from router.errors import ConfigurationError
from router.rendering.library import Library, Templates
from router.rendering.renderer import Renderer
from router.settings.loading import Loaded, attempt, attempt_offline
from router.settings.problems import Plain
from router.settings.reading import read_document
from router.settings.snapshot import read_file
from router.verification.cosign.settings import CosignSettings
from tests.rendering.hostile import EVENT

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data"
Captured = pytest.CaptureFixture[str]


def filled(text: str) -> str:
    """The values with a real key and a real certificate in them."""
    for word, file in (("KEY", "release.pub"), ("CERTIFICATE", "notation-ec-ca.pem")):
        pem = "".join(f"            {line}\n" for line in (DATA / "keys" / file).read_text().splitlines())
        text = text.replace(f"{word}\n", pem)
    return text


def values(folder: Path, text: str) -> Path:
    """A file of values, with payload templates beside it as the chart has them."""
    (folder / "alert_payload_templates").mkdir()
    for name in ("slack", "opsgenie"):
        shutil.copy(
            DATA / "templates" / f"connaisseur-{name}.json", folder / "alert_payload_templates" / f"{name}.json"
        )
    (folder / "values.yaml").write_text(filled(text))
    return folder / "values.yaml"


def imported(capsys: Captured, source: Path) -> tuple[int, str, dict[str, str]]:
    """The exit code, what was told on standard error, and every file that was written."""
    output = source.parent / "out"
    code = main(["import", "connaisseur", str(source), "--output", str(output)])
    files = {str(path.relative_to(output)): path.read_text() for path in sorted(output.rglob("*")) if path.is_file()}
    return code, capsys.readouterr().err, files


@pytest.fixture
def third(tmp_path: Path, capsys: Captured) -> tuple[int, str, dict[str, str]]:
    """What becomes of values of 3.x that have everything."""
    return imported(capsys, values(tmp_path, (DATA / "connaisseur" / "values.yaml").read_text()))


Third = tuple[int, str, dict[str, str]]


def test_no_secret_of_the_values_is_written_or_told(third: Third) -> None:
    """A converted file goes into a repository."""
    _, told, files = third

    assert "hush" in (DATA / "connaisseur" / "values.yaml").read_text()
    assert "hush" not in told
    assert not [name for name, text in files.items() if "hush" in text]


@pytest.mark.parametrize("name", ["values.yaml", "values-2.yaml"])
def test_what_is_written_is_a_valid_configuration(name: str, tmp_path: Path, capsys: Captured) -> None:
    imported(capsys, values(tmp_path, (DATA / "connaisseur" / name).read_text()))

    assert isinstance(attempt_offline(tmp_path / "out" / "gatecrier.yaml"), Loaded)


def test_validators_and_policy_mean_the_same(third: Third) -> None:
    config = yaml.safe_load(third[2]["gatecrier.yaml"])
    verifiers = {one["name"]: one for one in config["verifiers"]}

    assert config["policy"] == [
        {"pattern": "**", "verifier": "deny"},
        {"pattern": "registry.example/shop/**", "verifier": "shop_keys", "with": {"required": ["release"]}},
        {
            "pattern": "registry.example/vault/**",
            "verifier": "shop_keys",
            "with": {"threshold": 2, "required": ["pipeline"]},
        },
        {"pattern": "registry.example/lab/**", "verifier": "shop_keys-no-log-no-sct", "with": {"threshold": 2}},
        {"pattern": "supplier.example/**:v*@*", "verifier": "suppliers-permissive-after-expiry"},
        {"pattern": "docker.io/library/**", "verifier": "deny"},
        {"pattern": "registry.k8s.io/**", "verifier": "allow"},
    ]
    assert verifiers["shop_keys"]["transparency_log"] == "required"
    assert verifiers["shop_keys-no-log-no-sct"]["transparency_log"] == "ignore"
    assert verifiers["shop_keys-no-log-no-sct"]["sct"] == "ignore"
    assert verifiers["shop_keys"]["keyless"][0]["subject_regex"] == "^https://git.example/shop/.+$"
    assert verifiers["suppliers-permissive-after-expiry"]["verify_timestamp"] == "after_cert_expiry"
    assert [one["type"] for one in verifiers["suppliers-permissive-after-expiry"]["trust_stores"]] == ["ca", "tsa"]
    assert config["enforcement"] == {"default": "enforce"}
    assert config["registries"] == [
        {
            "host": "registry.example",
            "ca": "cas/shop_keys.pem",
            "credentials": {"file": "credentials/shop_keys/config.json"},
        },
        {"host": "supplier.example", "credentials": {"file": "credentials/suppliers/config.json"}},
    ]


def test_receivers_become_destinations_by_reference(third: Third) -> None:
    config = yaml.safe_load(third[2]["gatecrier.yaml"])
    by_name = {one["name"]: one for one in config["destinations"]}

    assert by_name["opsgenie-admit"] == {
        "name": "opsgenie-admit",
        "kind": "webhook",
        "template": "opsgenie-admit",
        "url": {"file": "secrets/opsgenie-admit-url"},
        "headers": {"Authorization": {"file": "secrets/opsgenie-admit-authorization"}},
        "must_deliver": True,
    }
    assert by_name["slack-reject"]["kind"] == "slack"
    assert by_name["slack-reject-2"]["plain_http"] is True
    assert [(one["match"], one["destinations"]) for one in config["routes"]["routes"]] == [
        (["decision.would_reject = false"], ["opsgenie-admit"]),
        (["decision.would_reject = true"], ["slack-reject", "slack-reject-2"]),
    ]


def test_a_template_is_taken_over_unchanged_or_with_what_its_receiver_says(third: Third, tmp_path: Path) -> None:
    library = Library([tmp_path / "out" / "templates"], read_file)
    renderer = Renderer(Templates(library.template("opsgenie-admit")), kind="webhook", name="opsgenie-admit")
    rendered = renderer.render(json.dumps(EVENT).encode())
    body = json.loads(rendered.body)

    assert third[2]["templates/slack.json"] == (DATA / "templates" / "connaisseur-slack.json").read_text()
    assert rendered.problem is None
    assert body["priority"] == "P4"
    assert body["responders"] == [{"type": "team", "name": "shop"}]
    assert body["braces"] == "{{ cluster }} {% x %}"
    assert body["details"]["cluster"] == "production-eu"


def test_every_gap_stands_in_the_file_and_on_standard_error(third: Third) -> None:
    code, told, files = third
    gaps = [line.removeprefix("gap: ") for line in told.splitlines() if line.startswith("gap: ")]
    written = re.sub(r"\n *#   ", " ", files["gatecrier.yaml"])

    assert code == 1
    for part in (
        "application.validators[4].type",
        "application.policy[*].with.mode",
        "application.features.flightMode",
        "application.features.automaticUnchangedApproval",
        "application.features.namespacedValidation",
        "application.features.resourceValidationMode",
        "alerting.admitRequest.receivers[0].payloadFields",
        "alerting.rejectRequest.receivers[1].receiverUrl",
        "kubernetes.webhook.failurePolicy",
    ):
        assert [gap for gap in gaps if gap.startswith(part)], part
    for gap in gaps:
        assert f"GAP, {gap}" in written


def test_the_second_version_s_values_are_read_by_their_own_names(tmp_path: Path, capsys: Captured) -> None:
    code, told, files = imported(capsys, values(tmp_path, (DATA / "connaisseur" / "values-2.yaml").read_text()))
    config = yaml.safe_load(files["gatecrier.yaml"])

    assert (code, [line for line in told.splitlines() if line.startswith("gap")]) == (0, [])
    assert config["cluster"] == "staging"
    assert config["enforcement"] == {"default": "detect"}
    assert config["policy"][:3] == [
        {"pattern": "registry.example/shop/**", "verifier": "default-no-log"},
        {"pattern": "registry.example/lab/app", "verifier": "default"},
        {"pattern": "registry.example/old/app:v1", "verifier": "no-log"},
    ]
    assert {one["name"]: one["transparency_log"] for one in config["verifiers"]} == {
        "default-no-log": "ignore",
        "default": "required",  # a host is named
        "no-log": "ignore",
    }
    assert config["destinations"][0]["name"] == "slack-reject"


STATIC = "application: {validators: [{name: v, type: static, approve: true}], policy: [{pattern: '*:*', validator: v}]}"


def test_nothing_is_overwritten(tmp_path: Path, capsys: Captured) -> None:
    source = values(tmp_path, STATIC + "\nalerting: {clusterIdentifier: x}")
    first = imported(capsys, source)
    (tmp_path / "out" / "gatecrier.yaml").write_text("mine")

    code, told, files = imported(capsys, source)
    assert first[0] == 0
    assert code == 2
    assert "lies there already" in told
    assert files["gatecrier.yaml"] == "mine"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "one document is expected"),
        ("notaries: []", "before 2.1"),
        ("application: {validators: []}", "helm get values --all"),
        ("application: {validators: 7, policy: []}", "application.validators: a list is expected"),
        ("application: {validators: [], policy: [7]}", "application.policy[0]: a map is expected"),
        (
            STATIC + "\nalerting: {admitRequest: {receivers: [{priority: high}]}}",
            "priority: a whole number is expected",
        ),
    ],
)
def test_values_that_can_not_be_read_are_told_with_their_place(
    text: str, told: str, tmp_path: Path, capsys: Captured
) -> None:
    code, error, files = imported(capsys, values(tmp_path, text))

    assert code == 3
    assert told in error
    assert not files


def test_values_that_are_not_there_are_named(tmp_path: Path, capsys: Captured) -> None:
    assert main(["import", "connaisseur", str(tmp_path / "none.yaml")]) == 3
    assert "none.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "hush", ""])
def test_what_is_no_public_key_is_not_written_and_its_images_are_denied(
    key: str, tmp_path: Path, capsys: Captured
) -> None:
    text = yaml.safe_dump(
        {
            "application": {
                "validators": [{"name": "v", "type": "cosign", "trustRoots": [{"name": "default", "key": key}]}],
                "policy": [{"pattern": "*:*", "validator": "v"}],
            }
        }
    )
    code, told, files = imported(capsys, values(tmp_path, text))

    assert code == 1
    assert "AAAA" not in files["gatecrier.yaml"] + told
    assert "hush" not in files["gatecrier.yaml"] + told
    assert yaml.safe_load(files["gatecrier.yaml"])["policy"] == [{"pattern": "**", "verifier": "deny"}]


def test_a_template_that_is_not_there_is_told(tmp_path: Path, capsys: Captured) -> None:
    receiver = "{template: pager, receiverUrl: 'https://pager.example/x', priority: 1}"
    code, told, _ = imported(
        capsys, values(tmp_path, f"{STATIC}\nalerting: {{admitRequest: {{receivers: [{receiver}]}}}}")
    )

    assert code == 1
    assert "copy pager.json" in told


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", ".hidden"])
def test_a_template_s_name_leads_to_no_other_file(name: str, tmp_path: Path, capsys: Captured) -> None:
    receiver = f"{{template: '{name}', receiverUrl: 'https://pager.example/x'}}"
    code, told, files = imported(
        capsys, values(tmp_path, f"{STATIC}\nalerting: {{admitRequest: {{receivers: [{receiver}]}}}}")
    )

    assert code == 1
    assert "no name of a template" in told
    assert [file for file in files if file.startswith("templates")] == []


def made_of(
    folder: Path,
    capsys: Captured,
    validator: dict[str, object] | None = None,
    rule: dict[str, object] | None = None,
    receiver: dict[str, object] | None = None,
    **features: object,
) -> tuple[dict[str, Any], list[str]]:
    """The configuration of one validator, one rule and one receiver, and the gaps."""
    key = (DATA / "keys" / "release.pub").read_text()
    usual = {"name": "default", "type": "cosign", "trustRoots": [{"name": "default", "key": key}]}
    tree: dict[str, object] = {
        "application": {
            "validators": [usual | (validator or {})],
            "policy": [{"pattern": "registry.example/shop/*:*"} | (rule or {})],
            "features": features,
        },
        "alerting": {"clusterIdentifier": "c", "admitRequest": {"receivers": [receiver] if receiver else []}},
    }
    _, told, files = imported(capsys, values(folder, yaml.safe_dump(tree)))
    written = files["gatecrier.yaml"]
    assert isinstance(attempt_offline(folder / "out" / "gatecrier.yaml"), Loaded), told
    return yaml.safe_load(written), [line for line in told.splitlines() if line.startswith("gap: ")]


CERTIFICATE = (DATA / "keys" / "notation-ec-ca.pem").read_text()
KEY = (DATA / "keys" / "security.pub").read_text()


@pytest.mark.parametrize(
    ("validator", "rule", "gap", "judged"),
    [
        ({"trustRoots": [{"name": "default", "key": "awskms:///alias/x"}]}, {}, "KMS", {"verifier": "default"}),
        ({"host": {"rekor": "https://rekor.example"}}, {}, "trusted-root-default.json", {"verifier": "default"}),
        ({"host": {"rekorPubkey": KEY}}, {}, "host.rekorPubkey", {"verifier": "default"}),
        ({"host": "rekor.sigstore.dev"}, {}, None, {"verifier": "default"}),
        ({"auth": {"useKeychain": True}}, {}, "useKeychain", {"verifier": "default"}),
        ({"cert": "hush"}, {}, "no certificate", {"verifier": "default"}),
        ({"cert": CERTIFICATE}, {"pattern": "*:*"}, "no registry", {"verifier": "default"}),
        ({"type": "novel"}, {}, "this type", {"verifier": "deny"}),
        ({"type": "notation", "trustRoots": [{"name": "default"}]}, {}, "no certificate", {"verifier": "deny"}),
        (
            {"type": "notation", "trustRoots": [{"name": "default", "cert": CERTIFICATE}]},
            {},
            None,
            {"verifier": "default"},
        ),
        (
            {"trustRoots": [{"name": "default", "keyless": {"issuer": "x"}}]},
            {},
            "no subject that can be compared",
            {"verifier": "deny"},
        ),
        (
            {"trustRoots": [{"name": "default", "keyless": {"issuer": "x", "subjectRegex": "^(?=y)$"}}]},
            {},
            "no subject that can be compared",
            {"verifier": "deny"},
        ),
        ({}, {"pattern": "?"}, "left out", {"verifier": "deny"}),
        (
            {"type": "notation", "trustRoots": [{"name": "default", "cert": CERTIFICATE}]},
            {"with": {"verificationLevel": "skip"}},
            "no level",
            {"verifier": "default"},
        ),
        ({}, {"validator": "nobody"}, "no such validator", {"verifier": "deny"}),
        ({}, {"with": {"trustRoot": "nobody"}}, "no trust root", {"verifier": "deny"}),
        ({}, {"with": {"trustRoot": "*"}}, None, {"verifier": "default"}),
        (
            {},
            {"with": {"trustRoot": "*", "threshold": 3}},
            "not 3",
            {"verifier": "default"},
        ),
        ({}, {"with": {"mode": "insecureValidateOnly"}}, None, {"verifier": "default"}),
        ({}, {"with": {"delegations": ["x"]}}, "delegations", {"verifier": "default"}),
        (
            {"trustRoots": [{"name": "default", "keyless": {"issuerRegex": "x.*", "subject": "y"}}]},
            {},
            "match the whole",
            {"verifier": "default"},
        ),
        *(
            (
                {"trustRoots": [{"name": "default", "keyless": {"issuerRegex": pattern, "subject": "y"}}]},
                {},
                gap,
                {"verifier": "default"},
            )
            for pattern, gap in (
                ("^a|b$", "match the whole"),
                ("^a\\$", "match the whole"),
                ("^a\\\\$", None),
                ("^(a|b)$", None),
                ("^[|)]a\\|b$", None),
            )
        ),
    ],
)
def test_a_validator_and_its_rule_become_what_is_as_strict(
    validator: dict[str, object],
    rule: dict[str, object],
    gap: str | None,
    judged: dict[str, object],
    tmp_path: Path,
    capsys: Captured,
) -> None:
    config, gaps = made_of(tmp_path, capsys, validator, rule)

    assert {key: value for key, value in config["policy"][0].items() if key != "pattern"} == judged
    assert (gaps == []) is (gap is None)
    assert gap is None or any(gap in line for line in gaps), gaps
    pins = rule.get("with") != {"mode": "insecureValidateOnly"}
    assert config["webhook"]["pin_digests"] is pins


@pytest.mark.parametrize(
    ("receiver", "gap", "settings"),
    [
        ({}, None, {"kind": "webhook", "template": "slack", "markup": "slack"}),
        ({"receiverUrl": "https://hooks.slack.com/x", "customHeaders": ["X-A: b"]}, None, {"kind": "webhook"}),
        ({"receiverUrl": None}, "there is none", {}),
        ({"receiverUrl": "https://["}, "egress.allow", {}),
        ({"receiverUrl": "https://x.webhook.office.com/y"}, "retired", {"kind": "webhook"}),
        ({"customHeaders": ["nothing"]}, "no header", {}),
        ({"customHeaders": ["Content-Type: text/plain"]}, "sent as JSON", {}),
        ({"customHeaders": ["A: 1", "a: 2"]}, "named twice", {"headers": {"A": {"file": "secrets/slack-admit-a"}}}),
        ({"payloadFields": [1]}, "a map is expected", {}),
        ({"template": "absent", "priority": 1}, "payloadFields and priority", {"template": "absent"}),
        ({"customheader": []}, None, {}),
        ({"customheader": ["x"]}, "customheader", {}),
    ],
)
def test_a_receiver_becomes_what_tells_the_same(
    receiver: dict[str, object], gap: str | None, settings: dict[str, object], tmp_path: Path, capsys: Captured
) -> None:
    whole = {"template": "slack", "receiverUrl": "https://chat.example/hook"} | receiver
    config, gaps = made_of(tmp_path, capsys, receiver=whole)

    assert settings.items() <= config["destinations"][0].items()
    assert (gaps == []) is (gap is None), gaps
    assert gap is None or any(gap in line for line in gaps), gaps


def test_to_refuse_what_nobody_was_told_of_is_not_kept_in_detect_mode(tmp_path: Path, capsys: Captured) -> None:
    receiver = {"template": "slack", "receiverUrl": "https://x.example", "failIfAlertSendingFails": True}
    config, gaps = made_of(tmp_path, capsys, receiver=receiver, detectionMode=True)

    assert config["destinations"][0]["must_deliver"] is True
    assert any("failIfAlertSendingFails" in line for line in gaps)


def test_rules_that_change_places_are_told(tmp_path: Path, capsys: Captured) -> None:
    """Theirs count all parts of a path, ours those without wildcards."""
    text = """
application:
  validators: [{name: a, type: static, approve: true}, {name: d, type: static, approve: false}]
  policy:
    - {pattern: "registry.example/shop*:*", validator: a}
    - {pattern: "*/*/*:*", validator: d}
    - {pattern: "other.example/*/*/*:*", validator: d}
"""
    _, told, _ = imported(capsys, values(tmp_path, text))

    assert "gap: application.policy[1].pattern: for images that match application.policy[0].pattern" in told
    assert "application.policy[2]" not in told


def test_of_two_rules_for_the_same_images_the_last_one_counts(tmp_path: Path, capsys: Captured) -> None:
    text = """
application:
  validators: [{name: a, type: static, approve: true}, {name: d, type: static, approve: false}]
  policy:
    - {pattern: "registry.example/shop/app", validator: a}
    - {pattern: "registry.example/shop/*:1", validator: a}
    - {pattern: "registry.example/shop/app*", validator: d}
    - {pattern: "registry.example/{a,b}", validator: d}
"""
    code, told, files = imported(capsys, values(tmp_path, text))

    assert code == 1
    assert yaml.safe_load(files["gatecrier.yaml"])["policy"] == [
        {"pattern": "registry.example/shop/**:1*", "verifier": "allow"},
        {"pattern": "registry.example/shop/app**", "verifier": "deny"},
    ]
    assert "policy[0].pattern: left out: a later rule" in told
    assert (
        "policy[3].pattern: this rule is left out, and others take its images: patterns have no wildcards but `*`"
        in told
    )
    assert "not valid" not in told


@pytest.mark.parametrize(
    ("kind", "key"),
    [("a map", "features: 7"), ("true or false", "features: {detectionMode: 7}"), ("a text", "logLevel: x")],
)
def test_a_value_of_a_wrong_kind_is_told_by_its_path(kind: str, key: str, tmp_path: Path, capsys: Captured) -> None:
    text = f"application: {{validators: [], policy: [], {key}}}"
    if kind == "a text":
        text += "\nalerting: {clusterIdentifier: [hush]}"
    code, told, _ = imported(capsys, values(tmp_path, text))

    assert code == 3
    assert f"{kind} is expected" in told
    assert "hush" not in told


def test_what_can_not_be_read_or_written_is_named(tmp_path: Path, capsys: Captured) -> None:
    source = values(tmp_path, STATIC + "\nalerting: {admitRequest: {receivers: [{template: slack}]}}")
    template = tmp_path / "alert_payload_templates" / "slack.json"
    for content in (b"\xff", b"x" * 300_000):
        template.write_bytes(content)
        assert imported(capsys, source)[0] == 3
    (tmp_path / "out").write_text("a file")

    assert main(["import", "connaisseur", str(source), "--output", str(tmp_path / "out"), "--templates", "none"]) == 3
    assert "can't be written" in capsys.readouterr().err


def test_a_configuration_is_complete_once_its_files_are_made(third: Third, tmp_path: Path) -> None:
    """What comments ask for is all that is missing."""
    out = tmp_path / "out"
    held = {"config.json": '{"auths": {}}', "tls.crt": CERTIFICATE}
    (out / "tls").mkdir()
    for name in ("tls.crt", "tls.key"):
        shutil.copy(DATA / "config" / name, out / "tls" / name)
    for name in re.findall(r"\{ file: (\S+) \}", third[2]["gatecrier.yaml"]):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(held.get(Path(name).name, "https://receiver.example/x"))

    result = attempt(out / "gatecrier.yaml", {})
    assert isinstance(result, Loaded), result.text


def places(value: Plain, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in the values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


WHOLE = [yaml.safe_load(filled((DATA / "connaisseur" / name).read_text())) for name in ("values.yaml", "values-2.yaml")]
EVERYWHERE = [(number, path) for number, whole in enumerate(WHOLE) for path in places(whole)]
PLAIN: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(EVERYWHERE), PLAIN)
@settings(max_examples=100, deadline=None)
def test_whatever_stands_anywhere_is_converted_or_told(place: tuple[int, tuple[str | int, ...]], value: Plain) -> None:
    """No mistake in somebody's values is a mistake of ours, and what is written is YAML."""
    whole = copy.deepcopy(WHOLE[place[0]])
    within: Any = whole
    for key in place[1][:-1]:
        within = within[key]
    within[place[1][-1]] = value
    content = json.dumps(whole).encode()

    try:
        made = converted_values(read_values("values.yaml", content), lambda _: '{"a": "{{ priority }}"}')
    except ConfigurationError as error:
        told = str(error)
        assert "hush" not in told
        return
    document, problems = read_document(made.files["gatecrier.yaml"].encode())
    assert document is not None
    assert not problems
    assert "hush" not in "".join((*made.files.values(), *made.account.gaps, *made.account.notes))


def test_the_page_shows_what_the_command_writes(tmp_path: Path, capsys: Captured) -> None:
    page = (ROOT / "docs" / "from-connaisseur.md").read_text()
    source, written = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[:2]
    told = re.search(r"```text\n(gap:.*?)```", page, re.DOTALL)
    assert told is not None
    _, error, files = imported(capsys, values(tmp_path, source))

    assert files["gatecrier.yaml"] == written
    assert error == told[1]
    assert isinstance(loaded := attempt_offline(tmp_path / "out" / "gatecrier.yaml"), Loaded)
    assert isinstance(loaded.settings.verifiers[0], CosignSettings)
