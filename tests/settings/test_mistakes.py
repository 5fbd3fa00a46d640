"""Each mistake is one edit of the example; it must be told at the line where it stands, in words that help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.settings.configurations import SMALL, example, loaded, refused

Mistake = tuple[str, str, list[str]]

UNKNOWN_KEYS: list[Mistake] = [
    ("cluster: production-eu", "clutser: production-eu", ["clutser", 'did you mean "cluster"']),
    ("  deadline: 8s", "  dedline: 8s", ["webhook.dedline", '"deadline"']),
    ("on_unverifiable: reject", "on_unverified: reject", ["policy[1].on_unverified", '"on_unverifiable"']),
    ("    timeout: 5s", "    timeuot: 5s", ["destinations[2].timeuot (siem)", '"timeout"']),
    ("{file: slack-url}", "{fiel: slack-url}", ["fiel", '"file"']),
    ("threshold: 2", "treshold: 2", ["treshold", '"threshold"']),
    ("    path: events.jsonl", "    pth: events.jsonl", ["destinations[3].pth (archive)", '"path"']),
    ("      continue: true", "      contineu: true", ["routes.routes[0].contineu", '"continue"']),
    ("  required: false", "  colour: blue\n  required: false", ["outbox.colour", "expected one of"]),
    ("    plain_http: true\n  - host", "    plainhttp: true\n  - host", ["registries[0].plainhttp", '"plain_http"']),
]
WRONG_VALUES: list[Mistake] = [
    ("default: detect", "default: detekt", ["detekt", 'did you mean "detect"', "enforce"]),
    ("payments: enforce", "payments: on", ["enforcement.namespaces.payments", '"on"', "enforce, detect"]),
    ("default: detect", "default: off", ["enforcement.default", "label alone", "`detect`"]),
    ("payments: enforce", "payments: off", ["enforcement.namespaces.payments", "label alone", "`detect`"]),
    (
        "default: detect",
        "label: gatecrier.dev/mode/x",
        ["enforcement.label", "gatecrier.dev/mode/x", "no key of a label"],
    ),
    ("default: detect", "label_may_lower: [batch]", ["enforcement.label_may_lower", "add `label: gatecrier.dev/mode`"]),
    ("default: detect", "label_may_lower: [BATCH]", ["enforcement.label_may_lower[0]", "BATCH"]),
    ('"team-*": detect', '"Team*": detect', ['enforcement.namespaces["Team*"]: found "Team*"; expected a text of']),
    ("deadline: 8s", "deadline: 8", ["webhook.deadline", "8 is not a valid duration"]),
    ("deadline: 8s", "deadline: -8s", ["webhook.deadline", "-8s"]),
    ("deadline: 8s", "deadline: 0s", ["webhook.deadline", "more than nothing"]),
    ("deadline: 8s", "deadline: 8.5", ["webhook.deadline", "8.5 is not a valid duration"]),
    ("deadline: 8s", "deadline: [8s]", ["webhook.deadline", "is not a valid duration"]),
    ("deadline: 8s", "deadline: 21500ms", ["webhook.deadline", "21500ms", "5s", "26s", "shorten"]),
    ("deadline: 8s", "linger: 19s", ["webhook.linger", "19s", "26s"]),
    ("deadline: 8s", "linger: 5", ["webhook.linger", "5 is not a valid duration"]),
    ("deadline: 8s", "clients: {ca: gone.pem}", ["webhook.clients.ca", "gone.pem", "No such file"]),
    ("deadline: 8s", "clients: {ca: security.pub}", ["webhook.clients.ca", "certificate"]),
    ("deadline: 8s", "clients: {names: [a]}", ["webhook.clients.ca", "is missing"]),
    ("deadline: 8s", "clients: {ca: registry-ca.pem, names: []}", ["webhook.clients.names"]),
    ("deadline: 8s", "clients: {ca: registry-ca.pem, names: ['']}", ["webhook.clients.names[0]"]),
    ("deadline: 8s", "clients: registry-ca.pem", ["webhook.clients"]),
    ("keep: 30d", "keep: 30 days", ["outbox.keep", "30 days"]),
    ("pin_digests: true", "pin_digests: 'no'", ["webhook.pin_digests", "true or false"]),
    ("pin_digests: true", "pin_digests: no", ["webhook.pin_digests", '"no"', "true or false"]),
    ("pin_digests: true", "pin_digests: 0", ["webhook.pin_digests", "found 0", "true or false"]),
    ("tls: self-signed", "tls: self-singed", ["webhook.tls", "self-singed", '"self-signed"', "certificate"]),
    ("tls: self-signed", "tls: managed", ["webhook.tls", "needs the cluster's API", "kubernetes: {api: in-cluster}"]),
    ("tls: self-signed", "tls: {certificat: tls.crt, key: tls.key}", ["webhook.tls.certificat", '"certificate"']),
    ("tls: self-signed", "tls: {certificate: tls.crt}", ["webhook.tls.key", "is missing"]),
    ("tls: self-signed", "tls: [tls.crt, tls.key]", ["webhook.tls", "found a list", "self-signed"]),
    ("tls: self-signed", "tls: {certificate: gone.crt, key: tls.key}", ["webhook.tls.certificate", "gone.crt"]),
    ("tls: self-signed", "tls: {certificate: tls.crt, key: private.pem}", ["webhook.tls", "tls.crt", "private.pem"]),
    ('listen: "127.0.0.1:8443"', 'listen: "127.0.0.1:84430"', ["webhook.listen", "84430"]),
    ('listen: "127.0.0.1:8443"', "listen: 8443", ["webhook.listen", "8443 is not a valid address"]),
    ('listen: "127.0.0.1:9090"', 'listen: "127.0.0.1:8443"', ["operations.listen", "8443", "webhook.listen"]),
    ('listen: "127.0.0.1:9090"', 'listen: "0.0.0.0:8443"', ["operations.listen", "8443", "webhook.listen"]),
    ('url: "sqlite:///outbox.db"', 'url: "oracle:///outbox.db"', ["outbox.url", "oracle", "sqlite"]),
    ('url: "sqlite:///outbox.db"', "url: outbox.db", ["outbox.url", "sqlite"]),
    ('  - host: "127.0.0.1:5000"', '  - host: "http://127.0.0.1:5000"', ["registries[0].host", "without scheme"]),
    ("host: registry.example", 'host: "127.0.0.1:5000"', ["registries[1].host", "registries[0] already"]),
    ("ca: registry-ca.pem", "ca: gone.pem", ["registries[1].ca", "gone.pem", "No such file"]),
    ("ca: registry-ca.pem", "ca: security.pub", ["registries[1].ca", "security.pub", "certificate"]),
    ("{file: docker-config.json}", "{file: gone.json}", ["gone.json", "No such file"]),
    ("{file: docker-config.json}", "{file: security.pub}", ["security.pub"]),
    ("{file: docker-config.json}", "{file: .}", ["Is a directory"]),
    ("threshold: 2", "threshold: 0", ["policy[1].with.threshold", "found 0", "1 or more"]),
    ("threshold: 2", "threshold: two", ["policy[1].with.threshold", '"two"', "a whole number"]),
    ("threshold: 2", 'threshold: "2"', ["policy[1].with.threshold", '"2"', "a whole number"]),
    ("threshold: 2", "threshold: -1", ["policy[1].with.threshold", "found -1"]),
    ("threshold: 2", "threshold: 1.5", ["policy[1].with.threshold", "found 1.5", "a whole number"]),
    ("required: [security]", "required: security", ["policy[1].with.required", "a list"]),
    ("on_unverifiable: reject", "on_unverifiable: rejct", ["on_unverifiable", '"reject"', "admit"]),
    ("mode: detect                          #", "mode: enforced #", ["policy[2].mode", '"enforce"']),
    ("region: us2", "region: mars1", ["destinations[0].region (sysdig)", "mars1", "us2"]),
    ('allow: ["127.0.0.0/8"]', 'allow: ["127.0.0.0/33"]', ["egress.allow[0]", "127.0.0.0/33"]),
    ('allow: ["127.0.0.0/8"]', 'allow: ["127.0.0.1/8"]', ["egress.allow[0]", "host bits"]),
    ('allow: ["127.0.0.0/8"]', "allow: 127.0.0.0/8", ["egress.allow", "a list"]),
    ("headers: {X-Tenant: ", "headers: {X-Tenant: 4711} #", ["headers.X-Tenant (siem)", "a text"]),
    ("give_up_after: 24h", "give_up_after: tomorrow", ["destinations[2].give_up_after (siem)", "tomorrow"]),
    ("{directory: templates}", "{directory: security.pub}", ["templates.directory", "security.pub", "not a folder"]),
    ("cluster: production-eu ", 'cluster: "production eu"', ["cluster", "production eu"]),
    ("cluster: production-eu ", "cluster: 7 ", ["cluster", "found 7", "a text"]),
]
WRONG_SHAPES: list[Mistake] = [
    ("policy:", "policy: {} #", ["policy"]),
    ("policy:", "policy: [] #", ["policy"]),
    ("webhook:\n", "webhook: [listen]\nweb:\n", ["webhook", "found a list", "a map with listen, tls"]),
    ("  default: detect\n", "  - default: detect\n", ["enforcement"]),
    ("  never_block: [kube-system, gatecrier]", "  never_block: {kube-system: true}", ["never_block", "a list"]),
    ('  - pattern: "127.0.0.1:5000/shop/*"\n    verifier', '  - "127.0.0.1:5000/shop/*"\n  - verifier', ["policy[0]"]),
    (
        "      - {name: security, file: security.pub}",
        "      - security.pub",
        ["verifiers[0].keys[1]", "a map with name"],
    ),
    ("{name: security, file: security.pub}", "{name: security}", ["keys[1]", "exactly one of pem"]),
    ("{name: security, file: security.pub}", "{file: security.pub}", ["keys[1].name", "is missing"]),
    ("    keys:\n", "    keys: []\n    kees:\n", ["verifiers[0].keys", "at least one key"]),
    ("  - name: shop-keys\n    kind: cosign\n", "  - name: a\n", ["verifiers[0].kind (a)", "is missing", "cosign"]),
    ("    kind: cosign", "    kind: cosing", ["verifiers[0].kind (shop-keys)", 'did you mean "cosign"', "static"]),
    ("    kind: cosign", "    kind: [cosign]", ["verifiers[0].kind (shop-keys)"]),
    ("kind: slack", "kind: slakc", ["slakc", 'did you mean "slack"']),
    ("kind: slack", "kind: fax", ["destinations[1].kind (soc-slack)", "fax", "expected one of"]),
    ("  - name: soc-slack\n", "  - nmae: soc-slack\n", ["destinations[1].nmae", '"name"']),
    ("  - name: archive\n    kind", "  - archive:\n    kind", ["destinations[3].archive"]),
    ("templates: {directory: templates}", "templates: #", ["templates", "found nothing", "a map with directory"]),
]
DANGLING_NAMES: list[Mistake] = [
    ("verifier: shop-keys                   #", "verifier: shop-kees #", ['"shop-kees"', 'did you mean "shop-keys"']),
    ("verifier: allow", "verifier: alow", ["policy[3].verifier", 'did you mean "allow"']),
    ("required: [security]", "required: [securty]", ["securty", 'did you mean "security"', "release"]),
    ("threshold: 2", "threshold: 3", ["threshold 3", "2 keys", "at most 2"]),
    (
        "    verifier: allow",
        "    verifier: allow\n    with: {threshold: 1}",
        ["policy[3].with.threshold", "no signature"],
    ),
    ("    verifier: deny", "    verifier: deny\n    with: {required: [release]}", ["policy[4].with.required", "drop"]),
    ("  - name: shop-keys", "  - name: allow", ["verifiers[0].name", "built in"]),
    ("{name: security, file: security.pub}", "{name: release, file: security.pub}", ["keys[1].name", '"release"']),
    ("  - name: soc-slack", "  - name: sysdig", ["destinations[1].name", "destinations[0] already"]),
    ("template: slack", "template: slac", ["destinations[1].template (soc-slack)", '"slac"', 'did you mean "slack"']),
    ("destinations: [soc-slack, siem]", "destinations: [soc-slac, siem]", ['"soc-slac"', 'did you mean "soc-slack"']),
    ("destinations: [archive]    ", "destinations: [archiv]    ", ["routes.destinations[0]", 'did you mean "archive"']),
]
FILES_AND_SECRETS: list[Mistake] = [
    ("{name: security, file: security.pub}", "{name: security, file: missing.pub}", ["missing.pub", "No such file"]),
    ("{name: security, file: security.pub}", "{name: security, file: slack-url}", ["slack-url"]),
    ("{name: security, file: security.pub}", "{name: security, file: private.pem}", ["private"]),
    ("{name: security, file: security.pub}", "{name: security, file: /dev/zero}", ["/dev/zero", "not a regular file"]),
    ("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC-----", ["verifiers[0].keys[0].pem (release)"]),
    (
        "url: {file: slack-url}",
        "url: https://hooks.slack.com/services/T0/B0/hush",
        ["destinations[1].url", "{file: PATH}"],
    ),
    ("url: {file: slack-url}", "url: {file: slack-url, env: SLACK}", ["destinations[1].url", "exactly one"]),
    ("url: {file: slack-url}", "url: {file: gone}", ["destinations[1].url.file", '"gone" can\'t be read']),
    ("token: {env: SYSDIG_TOKEN}", "token: {env: SYSDIG_TOKEM}", ["SYSDIG_TOKEM", "not set"]),
    (
        "token: {env: SYSDIG_TOKEN}",
        "token: {env: hush-hush}",
        ["destinations[0].token.env", "not a valid name of an environment"],
    ),
    ("token: {env: SYSDIG_TOKEN}", "token: 12345678", ["destinations[0].token", "a number"]),
    (
        "plain_http: true\n    signing",
        "plain_http: false\n    signing",
        ["destinations[2].plain_http (siem)", "http", "`plain_http: true`"],
    ),
    (
        'url: "http://127.0.0.1:8088/events"',
        'url: "ftp://127.0.0.1:8088/events"',
        ["destinations[2].url (siem)", "http"],
    ),
    (
        'url: "http://127.0.0.1:8088/events"',
        'url: "http://169.254.169.254/events"',
        ["(siem)", "metadata", "ever sent"],
    ),
    ("    timeout: 5s", "    ca: security.pub", ["destinations[2].ca (siem)", "security.pub", "certificate"]),
    ("    timeout: 5s", "    ca: gone.pem", ["destinations[2].ca (siem)", "gone.pem", "No such file"]),
    (
        "    timeout: 5s",
        "    client_certificate: {certificate: tls.crt, key: gone.key}",
        ["certificate.key", "gone.key"],
    ),
    ("    timeout: 5s", "    client_certificate: {certificate: tls.crt, key: private.pem}", ["tls.crt", "private.pem"]),
    ("    timeout: 5s", "    concurrency: 0", ["destinations[2].concurrency (siem)", "found 0", "1 or more"]),
    (
        "headers: {X-Tenant: ",
        'headers: {"X Tenant": ',
        ["destinations[2].headers", "X Tenant", "not a valid name of a header"],
    ),
    ("signing_secret: {env: SIEM_SECRET}", "signing_secret: {env: SYSDIG_TOKEN}", ["destinations[2]", "whsec_"]),
    (
        "region: us2   ",
        'region: us2\n    url: "https://sysdig.example/ingest" #',
        ["destinations[0].region", "and `url`"],
    ),
    ('url: "http://127.0.0.1:8088/events"', "url: 127.0.0.1:8088", ["destinations[2].url (siem)", "http"]),
]
ROUTES_AND_RULES: list[Mistake] = [
    ('"decision.would_reject = true"', '"decision.would_reject == true"', ["would_reject", "match[0]"]),
    ('"decision.would_reject = true"', '"decision.wuold_reject = true"', ["wuold_reject", "decision.would_reject"]),
    ('"decision.would_reject = true"', "'request.namespace =~ \"(\"'", ["routes.routes[1].match[0]"]),
    ('match: ["decision.would_reject = true"]', 'match: "decision.would_reject = true"', ["match", "a list"]),
    (
        "  destinations: [archive]   ",
        '  match: ["decision.would_reject = true"]\n  destinations: [archive]',
        ["the root"],
    ),
    ("  destinations: [archive]   ", "  continue: true\n  destinations: [archive]", ["routes.continue", "no siblings"]),
    ('pattern: "127.0.0.1:5000/vault/*"', 'pattern: "127.0.0.1:5000/shop/*"', ["policy[1]", "never win", "policy[0]"]),
    ('pattern: "registry.k8s.io/**"', 'pattern: "https://registry.k8s.io/**"', ["policy[3].pattern"]),
    ('pattern: "registry.k8s.io/**"', 'pattern: ""', ["policy[3].pattern"]),
]
YAML: list[Mistake] = [
    ("give_up_after: 24h", "give_up_after: 24h\n    give_up_after: 2h", ["give_up_after", "stands twice", "line 82"]),
    ("  deadline: 8s", "\tdeadline: 8s", ["tab", "spaces"]),
    ("  deadline: 8s", "   deadline: 8s", ["not valid YAML"]),
    (
        "cluster: production-eu ",
        'cluster: "production-eu ',
        ["not valid YAML", "last key before it is cluster on line 3"],
    ),
    ("never_block: [kube-system, gatecrier]", "never_block: [kube-system, gatecrier", ["not valid YAML", "line 10"]),
    ("egress: ", "---\negress: ", ["second document"]),
    ("cluster: production-eu", "cluster: *name", ["names no anchor"]),
    ("cluster: production-eu", "cluster: !env NAME", ["!env"]),
    ("payments: enforce", "1234: enforce", ["enforcement", "1234 is not a text"]),
    ("verifier: allow", "verifier: {{ verifier }}", ["policy[3].verifier", "can't be a key"]),
]


def mistaken(found: str, written: str) -> tuple[str, int]:
    """The example with the mistake, and the first line that differs."""
    good = example()

    assert found in good
    bad = good.replace(found, written, 1)
    pairs = enumerate(zip(good.splitlines(), bad.splitlines(), strict=False), 1)
    return bad, next(number for number, (before, after) in pairs if before != after)


EVERY = UNKNOWN_KEYS + WRONG_VALUES + WRONG_SHAPES + DANGLING_NAMES + FILES_AND_SECRETS + ROUTES_AND_RULES + YAML


@pytest.mark.parametrize(("found", "written", "words"), EVERY, ids=[written for _, written, _ in EVERY])
def test_a_mistake_is_told_with_its_line_and_a_remedy(
    tmp_path: Path, found: str, written: str, words: list[str]
) -> None:
    text, line = mistaken(found, written)
    said = refused(tmp_path, text)

    assert re.search(rf"(:|line ){line}\b", said), said
    assert not [word for word in words if word not in said], said
    assert "hush" not in said
    assert len(said) < 3000


@pytest.mark.parametrize(
    ("dropped", "path", "parent"),
    [
        ("    token: {env: SYSDIG_TOKEN}\n", "destinations[0].token (sysdig)", "  - name: sysdig"),
        ("    kind: cosign\n", "verifiers[0].kind (shop-keys)", "  - name: shop-keys"),
        ('  listen: "127.0.0.1:8443"\n', "webhook.listen", "webhook:"),
        ('operations:\n  listen: "127.0.0.1:9090"   ', "operations", "cluster:"),
        ("    path: events.jsonl\n", "destinations[3].path (archive)", "  - name: archive"),
    ],
)
def test_what_is_missing_is_told_where_it_should_stand(tmp_path: Path, dropped: str, path: str, parent: str) -> None:
    text = example()

    assert dropped in text
    text = text.replace(dropped, "", 1)
    line = next(number for number, start in enumerate(text.splitlines(), 1) if start.startswith(parent))
    assert f":{line}:" in refused(tmp_path, text)
    said = refused(tmp_path, text)
    assert re.search(rf" {re.escape(path)}: is missing; expected (?!(A|The|What|Where|Who)\b)", said)


def test_the_example_itself_is_right(tmp_path: Path) -> None:
    assert not loaded(tmp_path, example()).warnings


@pytest.mark.parametrize(
    ("collector", "of"),
    [
        ("gatecrier-0.replicas:8443", "webhook.listen"),
        ("gatecrier-0.replicas:9090", "operations.listen"),
        ("127.0.0.1:9090", "operations.listen"),
    ],
)
@pytest.mark.parametrize("other", ["", "policies: []\n"], ids=["alone", "beside another mistake"])
def test_a_collector_needs_a_port_of_its_own(tmp_path: Path, collector: str, of: str, other: str) -> None:
    """It was found taken when replicas first had something to know each other by."""
    told = refused(tmp_path, f'{SMALL}incidents: {{collector: "{collector}"}}\n{other}')

    assert f"incidents.collector: port {collector[-4:]} is {of}'s already; choose another" in told
