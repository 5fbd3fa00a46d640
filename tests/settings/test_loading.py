from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from router.destinations.kinds.alertmanager import AlertmanagerSettings
from router.errors import ConfigurationError
from router.fields import ListenAddress
from router.policy.ends import end_text
from router.rendering.shipped import shipped_folder
from router.settings.loading import Loaded, Refused, attempt, load
from router.verdict import Mode
from tests.settings.configurations import DATA, ENVIRONMENT, SMALL, example, loaded, refused, tried, written

OWN = Path(__file__).parents[2] / "config" / "gatecrier.yaml"


def test_the_example_of_the_contract_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """Its names are what operators write; with its ports, paths and key changed it must load."""
    settings = loaded(tmp_path, example().replace("8443", "18443")).settings

    assert settings.cluster == "production-eu"
    assert settings.enforcement.default is Mode.DETECT
    assert settings.enforcement.namespaces["payments"] is Mode.ENFORCE
    assert settings.webhook.listen == ListenAddress("127.0.0.1", 18443)
    assert settings.webhook.deadline == 8.0
    assert settings.outbox.keep == 30 * 86400
    assert settings.policy[1].with_.threshold == 2
    assert settings.policy[2].mode is Mode.DETECT
    assert [destination.name for destination in settings.destinations] == ["sysdig", "soc-slack", "siem", "archive"]
    assert settings.routes.routes[0].continue_
    assert settings.templates.directory == tmp_path / "templates"


def test_the_example_of_routing_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """Every destination in it, with the templates that it and its routes name."""
    rest = SMALL[: SMALL.index("destinations:")] + "templates: {directory: templates}\n"
    (tmp_path / "templates").mkdir()
    shutil.copy(shipped_folder() / "pagerduty-incident.json", tmp_path / "templates" / "pager-payments.json")
    environment = {**ENVIRONMENT, "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef"}
    result = load(written(tmp_path, rest + (DATA / "routing.yaml").read_text()), environment)
    pager = result.templates["pager"]

    assert [one.kind for one in result.settings.destinations] == ["slack", "pagerduty", "file"]
    assert (pager.of_decisions, pager.of_incidents) != (None, None)
    assert pager.by_name.keys() == {"pager-payments"}


def test_our_own_example_is_right(tmp_path: Path) -> None:
    assert not loaded(tmp_path, OWN.read_text()).warnings


def test_the_least_configuration_is_right(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SMALL).settings

    assert settings.enforcement.default is Mode.DETECT
    assert not settings.verifiers


def test_line_ends_of_another_system_are_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_bytes(example().replace("\n", "\r\n").encode())

    assert isinstance(attempt(path, ENVIRONMENT), Loaded)


def test_a_folder_whose_name_is_no_text_is_told_before_anything_is_started(tmp_path: Path) -> None:
    """File systems take any bytes; logs, and what processes tell each other, do not."""
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    folder.mkdir()
    result = attempt(written(folder, SMALL), {})

    assert isinstance(result, Refused)
    assert result.text.endswith("gatecrier.yaml: its path has bytes that are not UTF-8; rename the folder or the file")
    assert "/\\udcff/" in result.text


def test_load_is_attempt_for_whoever_can_not_go_on(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)

    assert load(path, {}) == attempt(path, {})
    with pytest.raises(ConfigurationError, match="1:1: the file is empty"):
        load(written(tmp_path, ""), {})


def test_all_problems_are_told_in_one_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    """An error in one section must not hide a dangling name in another, nor one in an item the others of that item."""
    text = example()
    for found, mistaken in (
        ("default: detect", "default: detekt"),
        ("deadline: 8s", "deadline: 8"),
        ("  required: false", "  requird: false"),
        ("ca: registry-ca.pem", "ca: gone.pem"),
        ("{name: security, file: security.pub}", "{name: security, file: gone.pub}"),
        ("verifier: shop-keys                   #", "verifier: shop-kees #"),
        ("with: {threshold: 2, required: [security]}", "with: {threshold: 0, required: [securty]}"),
        ("on_unverifiable: reject", "on_unverifiable: never"),
        ('pattern: "registry.k8s.io/**"', 'pattern: "127.0.0.1:5000/sandbox/**"'),
        ('allow: ["127.0.0.0/8"]', 'allow: ["127.0.0.0/33"]'),
        ("{env: SYSDIG_TOKEN}", "{env: GONE}"),
        ("kind: slack", "kind: slakc"),
        ("{file: slack-url}", "{file: gone-url}"),
        ("template: slack", "template: slac"),
        ("timeout: 5s", "timeout: 5s\n    timeout: 6s"),
        ('"decision.would_reject = true"', '"decision.wuold_reject = true"'),
        ("[soc-slack, siem]", "[soc-slac, siem]"),
    ):
        assert found in text
        text = text.replace(found, mistaken, 1)
    lines = refused(tmp_path, text).splitlines()
    paths = [line.split(": ", 2)[1] for line in lines]
    numbers = [int(line.split(":")[1]) for line in lines]

    assert numbers == sorted(numbers)
    assert paths == [
        "enforcement.default",
        "webhook.deadline",
        "outbox.requird",
        "registries[1].ca",
        "verifiers[0].keys[1].file (security)",
        "policy[0].verifier",
        "policy[1].with.threshold",
        "policy[1].with.required[0]",
        "policy[1].on_unverifiable",
        "policy[3]",
        "egress.allow[0]",
        "destinations[0].token.env (sysdig)",
        "destinations[1].kind (soc-slack)",
        "destinations[1].url.file (soc-slack)",
        "destinations[1].template (soc-slack)",
        "destinations[2].timeout",
        "routes.routes[1].match[0]",
        "routes.routes[1].destinations[0]",
    ]


@pytest.mark.parametrize(
    ("children", "loser", "winner"),
    [
        ("[{destinations: [a]}, {match: ['decision.would_reject = true'], destinations: [b]}]", 1, 0),
        ("[{match: ['a'], destinations: [a]}, {match: ['a', 'b'], destinations: [b]}]", 1, 0),
        ("[{match: ['a'], destinations: [a]}, {match: ['b'], destinations: [a]}, {match: ['b', 'a']}]", 2, 0),
        ("[{continue: true}, {match: ['a']}, {match: ['a'], destinations: [b]}]", 2, 1),
    ],
)
def test_a_route_that_no_event_reaches_is_refused(tmp_path: Path, children: str, loser: int, winner: int) -> None:
    said = refused(tmp_path, routed(children))

    assert f"routes.routes[{loser}]: no event reaches this route" in said
    assert f"routes.routes[{winner}]" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "children",
    [
        "[{continue: true, destinations: [a]}, {match: ['a'], destinations: [b]}]",
        "[{match: ['a'], destinations: [a]}, {destinations: [b]}]",
        "[{match: ['a', 'b'], destinations: [a]}, {match: ['a'], destinations: [b]}]",
        "[{match: ['a'], destinations: [a], continue: true}, {match: ['a'], destinations: [b]}]",
        "[{match: ['a'], routes: [{match: ['b'], destinations: [a]}]}, {match: ['b'], destinations: [b]}]",
    ],
)
def test_a_route_that_some_event_reaches_is_none(tmp_path: Path, children: str) -> None:
    assert isinstance(tried(tmp_path, routed(children)), Loaded)


def routed(children: str) -> str:
    """A configuration with these routes beneath the root; 'a' and 'b' stand for matchers."""
    for letter, matcher in (("a", "request.namespace = a"), ("b", "request.operation = CREATE")):
        children = children.replace(f"'{letter}'", f"'{matcher}'")
    destinations = "[{name: a, kind: file, path: a.jsonl}, {name: b, kind: file, path: b.jsonl}]"
    kept = [line for line in SMALL.splitlines() if not line.startswith(("destinations:", "routes:"))]
    return "\n".join([*kept, f"destinations: {destinations}", f"routes: {{destinations: [a, b], routes: {children}}}"])


def test_a_rule_that_never_wins_is_told_beside_broken_rules(tmp_path: Path) -> None:
    rules = '[{pattern: "a/b", verifier: 7}, {pattern: "a/c", verifier: deny}, {pattern: "a/c", verifier: allow}]'
    said = refused(tmp_path, SMALL.replace('[{pattern: "**", verifier: deny}]', rules))

    assert "policy[0].verifier: found 7" in said
    assert 'policy[2]: this rule can never win: policy[1] ("a/c")' in said


def test_what_is_never_used_is_a_warning(tmp_path: Path) -> None:
    text = example().replace("[soc-slack, siem]", "[soc-slack]")
    text = text.replace("verifiers:  ", "verifiers:\n  - {name: spare, kind: static, allow: true}\n#")
    warnings = loaded(tmp_path, text).warnings

    assert len(warnings) == 2
    assert 'verifiers[0].name (spare): no rule uses the verifier "spare"' in warnings[0]
    assert 'destinations[2].name (siem): no route tells the destination "siem"' in warnings[1]


def test_a_key_with_two_names_does_not_go_unnoticed(tmp_path: Path) -> None:
    """A threshold counts keys, and so one signer, however often it is named: one that is out of reach is told, too."""
    twice = example().replace("security.pub", "release.pub")
    (only,) = loaded(tmp_path, twice.replace("threshold: 2", "threshold: 1")).warnings
    alias, threshold = loaded(tmp_path, twice).warnings

    assert 'verifiers[0].keys[1] (security): is the same key as "release"; a threshold counts it once' in only
    assert alias == only
    assert "policy[1].with.threshold: threshold 2 can never be met" in threshold


def test_no_destination_at_all_is_a_warning(tmp_path: Path) -> None:
    """A first trial looks at the outbox only."""
    text = "\n".join(SMALL.splitlines()[:5])

    assert "only kept in the outbox" in loaded(tmp_path, text).warnings[0]


def test_destinations_without_routes_are_a_mistake(tmp_path: Path) -> None:
    assert "routes: is missing" in refused(tmp_path, "\n".join(SMALL.splitlines()[:6]))


def test_enforcing_without_pinning_is_a_warning(tmp_path: Path) -> None:
    """Whoever runs the registry may show us a signed image and the node another, under one tag."""
    unpinned = example().replace("pin_digests: true", "pin_digests: false")
    by_default = unpinned.replace("default: detect", "default: enforce")
    (warning,) = loaded(tmp_path, unpinned).warnings

    assert "enforcement.namespaces.payments: enforces, but webhook.pin_digests is off" in warning
    assert "enforcement.default: enforces, but" in loaded(tmp_path, by_default).warnings[0]
    assert not loaded(tmp_path, unpinned.replace("payments: enforce", "payments: detect")).warnings


EXEMPTION = 'exemptions: [{pattern: "r.example/*", namespaces: [shop], until: 2999-12-31, reason: "SEC-1"}]\n'


def test_the_overrides_of_the_contract_are_read_as_they_are_meant(tmp_path: Path) -> None:
    """Their names are what operators write."""
    text = """
break_glass:
  annotation: gatecrier.dev/break-glass   # its value is the justification
  allowed: {users: [oncall@example.com], groups: [sre]}
  min_justification: 10                   # characters
  for: 4h                                 # how long the digests of that object are let in in that namespace
exemptions:                               # let in although their rule fails; each is told, and told again when it ends
  - pattern: "registry.example/legacy/*"
    namespaces: ["batch-*"]
    until: 2026-12-31                     # the end of that day, UTC; or an RFC 3339 time
    reason: "SEC-4711: signed from 1.8 on"
    even_invalid: true
"""
    settings = loaded(tmp_path, SMALL + text).settings
    (exemption,) = settings.exemptions

    assert settings.break_glass is not None
    assert settings.break_glass.for_ == 4 * 3600.0
    assert settings.break_glass.allowed.groups == ("sre",)
    assert (end_text(exemption.until), exemption.even_invalid) == ("2027-01-01T00:00:00Z", True)


def test_an_exemption_that_lasts_is_no_warning_and_one_that_has_ended_is(tmp_path: Path) -> None:
    over = EXEMPTION.replace("2999-12-31", "2020-01-31T12:00:00+01:00")
    (warning,) = loaded(tmp_path, SMALL + over).warnings

    assert not loaded(tmp_path, SMALL + EXEMPTION).warnings
    assert "exemptions[0].until: it has ended at 2020-01-31T11:00:00Z and lets in nothing" in warning


@pytest.mark.parametrize(
    ("what", "instead", "told"),
    [
        (", until: 2999-12-31", "", "exemptions[0].until: is missing"),
        (', reason: "SEC-1"', "", "exemptions[0].reason: is missing"),
        ('"SEC-1"', '" "', "it says nothing"),
        ("2999-12-31", "soon", '"soon" is no end'),
        ("[shop]", "[]", "exemptions[0].namespaces"),
        ("[shop]", "[Shop]", "exemptions[0].namespaces[0]"),
        ('"r.example/*"', '"https://r.example"', "names have no scheme"),
    ],
)
def test_an_exemption_without_reason_or_end_is_refused(tmp_path: Path, what: str, instead: str, told: str) -> None:
    assert told in refused(tmp_path, SMALL + EXEMPTION.replace(what, instead))


def test_programs_that_may_break_the_glass_are_a_warning_and_so_is_a_port_that_asks_nobody_who_he_is(
    tmp_path: Path,
) -> None:
    glass = "break_glass: {allowed: {users: [alice, 'system:serviceaccount:ci:deployer'], groups: [sre]}, for: 1h}\n"
    settings, warnings = loaded(tmp_path, SMALL + glass).settings, loaded(tmp_path, SMALL + glass).warnings

    assert settings.break_glass is not None
    assert settings.break_glass.for_ == 3600.0
    assert len(warnings) == 2
    assert "break_glass.allowed: whoever reaches the webhook can claim" in warnings[0]
    assert "break_glass.allowed.users[1]: " in warnings[1]
    assert "stands for programs" in warnings[1]


@pytest.mark.parametrize("mistake", ["{}", "{allowed: {}}", "{allowed: {users: [a]}, for: 30d}", "{users: [a]}"])
def test_a_glass_that_nobody_or_anybody_may_break_is_refused(tmp_path: Path, mistake: str) -> None:
    assert "break_glass" in refused(tmp_path, SMALL + f"break_glass: {mistake}\n")


def test_a_rule_for_a_tag_that_is_laxer_than_its_neighbour_is_a_warning(tmp_path: Path) -> None:
    rules = """policy:
  - {pattern: "registry.k8s.io/pause:debug", verifier: open}
  - {pattern: "127.0.0.1:5000/shop/web:dev", verifier: shop-keys, mode: detect}
"""
    text = example().replace("policy:    ", f"{rules}#")
    text = text.replace("verifiers:  ", "verifiers:\n  - {name: open, kind: static, allow: true}\n#")
    text = text.replace('"registry.k8s.io/**"\n    verifier: allow', '"registry.k8s.io/**"\n    verifier: shop-keys')
    warnings = loaded(tmp_path, text).warnings

    assert len(warnings) == 2
    assert 'policy[0].pattern: this rule for a tag is laxer than policy[5] ("registry.k8s.io/**")' in warnings[0]
    assert "it lets every image pass" in warnings[0]
    assert "policy[1].pattern: this rule for a tag is laxer than policy[2]" in warnings[1]
    assert "it is only watched" in warnings[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Registry.example", "registry.example:443"),
        ("registry.example:05000", "registry.example:5000"),
        ("docker.io", "registry-1.docker.io"),
        ("[::1]:5000", "[0:0::1]:5000"),
    ],
)
def test_two_spellings_of_a_registry_are_one_entry_too_many(tmp_path: Path, one: str, other: str) -> None:
    text = f'{SMALL}registries: [{{host: "{one}"}}, {{host: "{other}"}}]\n'

    assert f'registries[1].host: "{other}" is the host of registries[0] already' in refused(tmp_path, text)


def test_a_private_address_that_egress_does_not_allow_is_a_warning(tmp_path: Path) -> None:
    warnings = loaded(tmp_path, example().replace('["127.0.0.0/8"]', '["10.0.0.0/8"]')).warnings

    assert "destinations[2].url (siem): 127.0.0.1 is not a public address" in warnings[0]


def test_the_address_of_an_api_is_judged_as_that_of_a_url_is(tmp_path: Path) -> None:
    """Slack's Web API may be somewhere else."""
    slack = 'kind: slack, token: {file: slack-url}, channel: "#soc", api: "https://HOST/api"'
    text = SMALL.replace("kind: file, path: events.jsonl", slack)
    warnings = loaded(tmp_path, text.replace("HOST", "10.1.2.3")).warnings

    assert [one for one in warnings if "destinations[0].api (archive): 10.1.2.3 is not a public address" in one]
    assert "link-local" in refused(tmp_path, text.replace("HOST", "169.254.169.254"))


def test_each_of_several_addresses_is_judged(tmp_path: Path) -> None:
    """Replicas of Alertmanager."""
    several = 'kind: alertmanager, urls: ["https://alerts.example", "https://HOST"]'
    text = SMALL.replace("kind: file, path: events.jsonl", several)
    warnings = loaded(tmp_path, text.replace("HOST", "10.1.2.3")).warnings

    assert [one for one in warnings if "destinations[0].urls[1] (archive): 10.1.2.3 is not a public address" in one]
    assert "link-local" in refused(tmp_path, text.replace("HOST", "169.254.169.254"))


def test_a_destination_knows_how_long_incidents_are_remembered(tmp_path: Path) -> None:
    """An alert of Alertmanager is open for as long."""
    text = SMALL.replace("kind: file, path: events.jsonl", 'kind: alertmanager, urls: ["https://alerts.example"]')
    (default,), (own,) = (
        loaded(tmp_path, text + more).settings.destinations for more in ("", "incidents: {forget_after: 2d}\n")
    )

    assert isinstance(default, AlertmanagerSettings)
    assert isinstance(own, AlertmanagerSettings)
    assert (default.lasts, own.lasts) == (7 * 86_400.0, 2 * 86_400.0)


def test_every_file_that_is_read_is_known_so_that_it_can_be_watched(tmp_path: Path) -> None:
    text = example().replace("tls: self-signed", "tls: {certificate: tls.crt, key: tls.key}")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "slack.json").write_text('{"text": "{{ alert_message }}"}')
    files = loaded(tmp_path, text).watched

    assert {path.relative_to(tmp_path).as_posix() for path in files if path.is_relative_to(tmp_path)} == {
        "gatecrier.yaml",
        "registry-ca.pem",
        "docker-config.json",
        "security.pub",
        "slack-url",
        "tls.crt",
        "tls.key",
        "templates",
        "templates/slack-incident.json",
        "templates/slack.json",
        "templates/sysdig-incident.json",
        "templates/sysdig.json",  # not there: it would hide the shipped one
    }


def test_a_template_that_can_not_be_used_is_a_mistake_of_every_destination_that_uses_it(tmp_path: Path) -> None:
    """Sooner told here than found out by the first alert, which would go out as the built-in minimal payload."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "slack.json").write_text('{"text": {{ }')
    lines = refused(tmp_path, example().replace("template: sysdig", "template: slack")).splitlines()

    assert [line.split(": ")[1] for line in lines] == [
        "destinations[0].template (sysdig)",
        "destinations[1].template (soc-slack)",
    ]
    assert "slack" in lines[0].split(": ", 2)[2]


def test_files_that_a_refused_configuration_names_are_known_too(tmp_path: Path) -> None:
    """Making the missing file is what mends it: it must be noticed."""
    result = tried(tmp_path, example().replace("{file: slack-url}", "{file: not-yet}"))

    assert isinstance(result, Refused)
    assert tmp_path / "not-yet" in result.watched


def test_paths_are_relative_to_the_folder_that_the_name_of_the_file_says(tmp_path: Path) -> None:
    """In a ConfigMap the file is a link; the files beside it are beside the link."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gatecrier.yaml").write_text(example())
    path = written(tmp_path, "")
    path.unlink()
    path.symlink_to("data/gatecrier.yaml")
    result = attempt(path, ENVIRONMENT)

    assert isinstance(result, Loaded)
    assert path in result.watched


@pytest.mark.parametrize(("name", "word"), [("gone.yaml", "No such file"), (".", "Is a directory")])
def test_a_configuration_that_can_not_be_read_is_told(tmp_path: Path, name: str, word: str) -> None:
    result = attempt(tmp_path / name, {})

    assert isinstance(result, Refused)
    assert word in result.text


def test_secrets_are_in_no_problem_and_no_settings(tmp_path: Path) -> None:
    text = example().replace("signing_secret: {env: SIEM_SECRET}", "signing_secret: whsec_hush")
    said = refused(tmp_path, text.replace("{env: SYSDIG_TOKEN}", "[hush]").replace("{file: slack-url}", "{url: hush}"))

    assert "hush" not in said
    assert "hush" not in repr(loaded(tmp_path, example()).settings)


def test_hundreds_of_problems_are_cut_to_what_can_be_read(tmp_path: Path) -> None:
    many = SMALL.replace('[{pattern: "**", verifier: deny}]', json.dumps([{"pattern": "", "verifier": 7}] * 200))
    lines = refused(tmp_path, many).splitlines()

    assert len(lines) == 101
    assert lines[-1].endswith("and 300 more")


def test_hundreds_of_verifiers_and_rules_are_read(tmp_path: Path) -> None:
    key = (DATA / "release.pub").read_text()
    verifiers = [{"name": f"v{n}", "kind": "cosign", "keys": [{"name": "k", "pem": key}]} for n in range(300)]
    rules = [{"pattern": f"registry.example/team{n}/*", "verifier": f"v{n}"} for n in range(300)]
    text = (
        SMALL.replace('[{pattern: "**", verifier: deny}]', json.dumps(rules)) + f"verifiers: {json.dumps(verifiers)}\n"
    )

    assert len(loaded(tmp_path, text).settings.policy) == 300


@pytest.mark.parametrize(
    ("pattern", "is_warned_of"),
    [("registry.example/**", False), ("shop/web", False), ("**", True), ("*.example/shop/*", True)],
)
def test_whoever_admits_what_any_registry_leaves_unanswered_is_warned(
    pattern: str,
    is_warned_of: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
) -> None:
    """Whoever deploys chooses the registry there, and so whether it answers."""
    rule = f'[{{pattern: "{pattern}", verifier: allow, on_unverifiable: admit}}]'
    warnings = loaded(tmp_path, SMALL.replace('[{pattern: "**", verifier: deny}]', rule)).warnings

    assert any("names no registry" in warning for warning in warnings) == is_warned_of


def test_what_the_file_enforces_and_the_api_server_knows_by_a_label_is_a_warning(tmp_path: Path) -> None:
    """Its webhook for namespaces without the label lets everything in while nobody answers."""
    by_label = example().replace("  default: detect", "  label: gatecrier.dev/mode\n  default: detect")
    (warning,) = loaded(tmp_path, by_label).warnings

    assert "enforcement.namespaces.payments: is enforced by this file, which the API server does not know" in warning
    assert "kubectl label namespace payments gatecrier.dev/mode=enforce" in warning


@pytest.mark.parametrize(
    "spared", ["never_block: [payments]\n  #", "label_may_lower: [payments]\n  #", "label_may_lower: ['*']\n  #"]
)
def test_what_the_file_does_not_enforce_after_all_needs_no_label(tmp_path: Path, spared: str) -> None:
    by_label = example().replace("  default: detect", "  label: gatecrier.dev/mode\n  default: detect")

    assert not loaded(tmp_path, by_label.replace("never_block:", spared)).warnings


def test_a_default_that_enforces_needs_labels_everywhere(tmp_path: Path) -> None:
    by_label = example().replace("  default: detect", "  label: gatecrier.dev/mode\n  default: enforce")

    first, second = loaded(tmp_path, by_label).warnings
    assert "enforcement.default: is enforced by this file" in first
    assert "enforcement.namespaces.payments: is enforced by this file" in second
