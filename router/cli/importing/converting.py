"""Connaisseur's values become a configuration: one map, in the order in which ours are written. Pure.

Rules:
(1) Validators, policy, alerting and features are converted; each part says at its place what it could not keep.
(2) What Helm makes of Connaisseur itself (Deployment, Service, Redis) is no configuration, and noted once.
(3) Whatever nobody asked for is a gap, told above everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from router.cli.importing.account import ImportAccount
from router.cli.importing.alerts import Alerts, converted_alerts
from router.cli.importing.rules import ImportedRules, converted_rules
from router.cli.importing.values import Section
from router.cli.importing.verifiers import Validator, certificates, read_validators
from router.cli.importing.writing import File, Noted, YamlTree, yaml_text

_OF_THE_CHART = (
    "kubernetes",
    "deployment",
    "service",
    "redis",
    "debug",
    "logLevel",
    "logFormat",
    "nameOverride",
    "additionalLabels",
)
_LABEL = "securesystemsengineering.connaisseur/webhook"
_REMARK = (
    "Converted from the values of Connaisseur. Every GAP needs a hand. Patterns have no star at the beginning that "
    "nobody wrote. Make the files that are named below: secrets/ and credentials/ hold what the values have in clear."
)
_NO_RULE = Noted(
    {"pattern": "**", "verifier": "deny"}, ["there is no rule: what no rule matches is denied, there and here"]
)


@dataclass(slots=True)
class Conversion:
    """What is to be written, and what is to be said."""

    account: ImportAccount = field(default_factory=ImportAccount)
    files: dict[str, str] = field(default_factory=dict)
    """Texts by their paths, relative to the folder."""


def converted_values(values: Section, template: Callable[[str], str | None]) -> Conversion:
    """All files that become of the values; `template` gives the source of a payload template by its name."""
    made = Conversion()
    account = made.account
    application = values.section("application") if "application" in values else values
    features = application.section("features") if "features" in application else application
    alerting = values.section("alerting")
    is_detecting = features.flag("detectionMode") or False
    validators = read_validators(list(application.sections("validators")), account)
    rules = converted_rules(application.sections("policy"), validators, account, is_second=application is values)
    alerts = converted_alerts(alerting, template, account, is_detecting=is_detecting)
    registries = _registries(validators, rules, made)
    above = [_REMARK, *_features(features, account), *_chart(values, application, account)]
    cluster = _cluster(alerting, account)
    above += [account.gap(path, "this has no counterpart here") for path in values.left()]
    tree: dict[str, YamlTree] = {
        "cluster": Noted(cluster.value, [*above, *cluster.comments]),
        "enforcement": {"default": "detect" if is_detecting else "enforce"},
        "webhook": {"listen": "0.0.0.0:8443", "tls": _tls(), "pin_digests": rules.pins},
        "operations": {"listen": "0.0.0.0:9090"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "registries": registries,
        "verifiers": rules.verifiers,
        "policy": Noted(rules.rules or [_NO_RULE], rules.lost),
        **_delivering(alerts),
    }
    made.files = {
        **made.files,
        **{f"templates/{name}.json": source for name, source in alerts.templates.items()},
        "gatecrier.yaml": yaml_text({key: value for key, value in tree.items() if value != []}),
    }
    return made


def _delivering(alerts: Alerts) -> dict[str, YamlTree]:
    if not alerts.destinations:
        return {}
    return {
        "templates": {"directory": "templates"},
        "destinations": alerts.destinations,
        "routes": {"destinations": [], "routes": alerts.routes},
    }


def _tls() -> Noted:
    why = "tls/ holds the certificate and key of the webhook, as a Secret of type kubernetes.io/tls has them"
    return Noted({"certificate": "tls/tls.crt", "key": "tls/tls.key"}, [why])


def _cluster(alerting: Section, account: ImportAccount) -> Noted:
    written = alerting.text("clusterIdentifier") or ""
    kept = "".join(one if one.isascii() and (one.isalnum() or one in "._:/@-") else "-" for one in written)[:100]
    kept = kept.strip("._:/@-")
    if kept and kept == written:
        return Noted(kept, [])
    why = "the cluster has this name here; give each cluster its own" if kept else "give the cluster a name"
    return Noted(kept or "unnamed", [account.gap(alerting.at("clusterIdentifier"), why)])


def _features(features: Section, account: ImportAccount) -> list[str]:
    said = list[str]()
    namespaced = features.section("namespacedValidation")
    mode, enabled = namespaced.text("mode"), namespaced.flag("enabled")
    if enabled or (enabled is None and mode):
        left_out = f"{_LABEL}!=validate" if mode == "validate" else f"{_LABEL}=ignore"
        why = (
            "namespaces are chosen by the API server, by the label gatecrier.dev/mode: say `off` of those that were "
            f"left out, and of new ones: kubectl label namespaces -l '{left_out}' gatecrier.dev/mode=off"
        )
        said.append(account.gap(features.at("namespacedValidation"), why))
    if features.flag("automaticUnchangedApproval"):
        why = "an image that did not change is judged again here"
        said.append(account.gap(features.at("automaticUnchangedApproval"), why))
    if features.flag("automaticChildApproval"):
        why = "Pods of an owner are judged, too; a proof that holds is not asked for again"
        said.append(account.note(features.at("automaticChildApproval"), why))
    if features.text("resourceValidationMode") == "podsOnly":
        why = "owners are judged, too; leave their kinds out of the webhook configurations"
        said.append(account.gap(features.at("resourceValidationMode"), why))
    if "cache" in features:
        features.section("cache").dismiss()
        said.append(account.note(features.at("cache"), "proofs are remembered for as long as they hold"))
    return said


def _chart(values: Section, application: Section, account: ImportAccount) -> list[str]:
    said = list[str]()
    for place in (values, *(() if application is values else (application,))):
        for key in _OF_THE_CHART:
            if key in place:
                place.raw(key)
                said.append(account.note(place.at(key), "is Helm's or the log's; see config/kubernetes and Operations"))
    webhook = values.section("kubernetes").section("webhook") if "kubernetes" in values else Section({})
    held = webhook if "failurePolicy" in webhook else values.section("deployment")
    if held.text("failurePolicy") == "Fail":
        said.append(
            account.gap(held.at("failurePolicy"), "config/kubernetes/webhook.yaml says Ignore; write Fail there")
        )
    values.section("deployment").dismiss()
    values.section("kubernetes").dismiss()
    return said


def _registries(validators: Mapping[str, Validator], rules: ImportedRules, made: Conversion) -> list[YamlTree]:
    """What differs from https, the system's CAs and anonymous; of several validators the first one counts."""
    found: dict[str, dict[str, YamlTree]] = {}
    comments: dict[str, list[str]] = {}
    for one in validators.values():
        settings, said = _access(one, made)
        hosts = dict.fromkeys(rules.registries.get(one.written, ()))
        for host in filter(None, hosts):
            if host in found and settings and found[host] != {"host": host, **settings}:
                said = [made.account.gap(one.section.path, f"{host} is reached as another validator says already")]
            elif settings:
                found[host] = {"host": host, **settings}
            comments.setdefault(host, []).extend(said)
        if settings and ("" in hosts or not hosts):
            why = "its rules name no registry; write one under registries for each that needs it"
            said_of = made.account.gap(one.section.path, why)
            rules.lost.append(said_of)
    return [Noted(settings, comments[host]) for host, settings in found.items()]


def _access(one: Validator, made: Conversion) -> tuple[dict[str, YamlTree], list[str]]:
    """CA and credentials of a validator's registries, by reference."""
    settings: dict[str, YamlTree] = {}
    said = list[str]()
    if one.section.text("cert") is not None:
        path = f"cas/{one.name}.pem"
        if (pem := certificates(one.section.text("cert"))) is None:
            said.append(made.account.gap(one.section.at("cert"), "there is no certificate in PEM"))
        elif one.kind in ("cosign", "notation"):
            made.files[path] = pem
            settings["ca"] = path
    auth = one.section.section("auth")
    secret, given = auth.text("secretName"), auth.text("username") is not None
    auth.raw("password")
    if auth.flag("useKeychain"):
        said.append(made.account.gap(auth.at("useKeychain"), "credentials of the node or a cloud are not used"))
    if (secret is not None or given) and one.kind in ("cosign", "notation"):
        path = f"credentials/{one.name}/config.json"
        settings["credentials"] = File(path)
        how = (
            f"mount .dockerconfigjson of the Secret that {auth.at('secretName')} names as {path}"
            if secret is not None
            else f"log in with {auth.at('username')} and its password: docker --config credentials/{one.name} login"
        )
        said.append(how)
    return settings, said
