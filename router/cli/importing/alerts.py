"""Receivers of alerts become destinations and routes. Pure; what reads their templates is an argument.

Rules:
(1) Receivers of `admitRequest` are told of what would not be rejected, those of `rejectRequest` of what would be.
(2) URLs and values of headers are references to files in `secrets/`, whatever they are: comments say which value of
    the source each file holds, and how to write it without seeing it.
(3) Incoming webhooks of Slack are of kind `slack`; everything else is a `webhook` with their template, and with Slack's
    markup where it is theirs for Slack.
(4) A template is taken over unchanged unless the receiver changes it (`payloads`); it then has the receiver's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from router.cli.importing.account import ImportAccount
from router.cli.importing.naming import LONGEST, name_of
from router.cli.importing.payloads import NotMergedError, may_be_secret, with_fields, with_priority
from router.cli.importing.values import Section
from router.cli.importing.writing import File, Noted, YamlTree

_CATEGORIES = {"admitRequest": ("admit", "false"), "rejectRequest": ("reject", "true")}
_SLACK = "hooks.slack.com"
_SLACK_TEMPLATE = "slack"
_RETIRED = (".webhook.office.com", "outlook.office.com")
_TEMPLATE = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_JSON = re.compile(r"application/json(\s*;.*)?", re.IGNORECASE)


@dataclass(slots=True)
class Alerts:
    """What becomes of the receivers."""

    destinations: list[Noted] = field(default_factory=list)
    routes: list[YamlTree] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)
    """Sources by name."""
    is_detecting: bool = False


@dataclass(frozen=True, slots=True)
class _Receiver:
    """One of theirs, and what is said of it."""

    section: Section
    name: str
    comments: list[str]
    account: ImportAccount

    def gap(self, path: str, text: str) -> None:
        self.comments.append(self.account.gap(path, text))


def converted_alerts(
    alerting: Section, template: Callable[[str], str | None], account: ImportAccount, *, is_detecting: bool
) -> Alerts:
    """The destinations, their routes and templates; `template` gives the source of one of theirs by its name."""
    made = Alerts(is_detecting=is_detecting)
    for category, (short, rejects) in _CATEGORIES.items():
        section = alerting.section(category)
        names = list[YamlTree]()
        for receiver in (*section.sections("receivers"), *section.sections("templates")):  # the latter in 2.x
            taken = {str(one.value["name"]) for one in made.destinations if isinstance(one.value, dict)}
            one = _Receiver(receiver, name_of(f"{receiver.text('template') or 'webhook'}-{short}", taken), [], account)
            made.destinations.append(_destination(one, template, made, is_admitting=short == "admit"))
            names.append(one.name)
        if names:
            made.routes.append(
                {"match": [f"decision.would_reject = {rejects}"], "destinations": names, "continue": True}
            )
    return made


def _destination(one: _Receiver, template: Callable[[str], str | None], made: Alerts, *, is_admitting: bool) -> Noted:
    url = one.section.text("receiverUrl") or ""
    scheme, host = _split(url)
    headers = _headers(one)
    is_slack = host == _SLACK and not headers
    settings: dict[str, YamlTree] = {"name": one.name, "kind": "slack" if is_slack else "webhook"}
    if (used := _template(one, template, made)) is not None:
        settings |= {"template": used, **({} if is_slack else _markup(one))}
    settings["url"] = _secret(one, f"{one.name}-url", one.section.at("receiverUrl"))
    if scheme == "http":
        settings["plain_http"] = True
    if not url:
        one.gap(one.section.at("receiverUrl"), "there is none")
    elif "." not in host or host.endswith((".svc", ".local", ".internal")):
        one.gap(one.section.at("receiverUrl"), "if its address is private, name the network under egress.allow")
    if host.endswith(_RETIRED):
        one.gap(one.section.at("receiverUrl"), "connectors are retired: make a workflow and write `kind: teams`")
    if headers:
        settings["headers"] = headers
    if one.section.flag("failIfAlertSendingFails"):
        path = one.section.at("failIfAlertSendingFails")
        if is_admitting:
            settings["must_deliver"] = True
            if made.is_detecting:
                one.gap(path, "nothing is refused in detect mode, also where nobody could be told")
        else:
            one.comments.append(one.account.note(path, "left out: what is rejected is rejected without it"))
    return Noted(settings, one.comments)


def _markup(one: _Receiver) -> dict[str, YamlTree]:
    """How whoever takes their template for Slack reads it: Mattermost, or Slack behind a proxy."""
    return {"markup": "slack"} if one.section.text("template") == _SLACK_TEMPLATE else {}


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower()
    except ValueError:
        return "", ""


def _secret(one: _Receiver, name: str, path: str, cut: str = "") -> File:
    file = f"secrets/{name}"
    one.comments.append(f"{file} holds {path} of the values:")
    one.comments.append(f"  yq -r '.{path}' values.yaml {cut}> {file}")
    return File(file)


def _headers(one: _Receiver) -> dict[str, YamlTree]:
    found: dict[str, YamlTree] = {}
    for number, text in enumerate(one.section.texts("customHeaders")):
        path = f"{one.section.at('customHeaders')}[{number}]"
        name, colon, value = text.partition(":")
        name = name.strip()
        if not colon or not _HEADER.fullmatch(name):
            one.gap(path, "this is no header NAME: VALUE")
        elif name.lower() == "content-type":
            if not _JSON.fullmatch(value.strip()):
                one.gap(path, "documents are sent as JSON, and say so")
        elif name.lower() in {known.lower() for known in found}:
            one.gap(path, "a header is named twice; the first one counts")
        else:
            found[name] = _secret(one, f"{one.name}-{name_of(name)}", path, "| cut -d: -f2- ")
    return found


def _template(one: _Receiver, template: Callable[[str], str | None], made: Alerts) -> str | None:
    """The name of the template, where it can be used."""
    path, wanted = one.section.at("template"), one.section.text("template") or ""
    priority, raw = one.section.number("priority"), one.section.raw("payloadFields")
    if raw is not None and not isinstance(raw, dict):
        one.gap(one.section.at("payloadFields"), "a map is expected; left out")
    fields = dict(raw) if isinstance(raw, dict) else {}
    for number, (name, value) in enumerate(list(fields.items()), 1):
        if may_be_secret(name, value):
            del fields[name]
            one.gap(one.section.at("payloadFields"), f"field {number} may be a secret, and is left out")
    if _TEMPLATE.fullmatch(wanted) is None or len(wanted) > LONGEST:
        one.gap(path, "this is no name of a template; the kind's own is used")
        return None
    if (source := template(wanted)) is None:
        one.gap(path, f"copy {wanted}.json of the chart's alert_payload_templates into templates/")
        if fields or priority is not None:
            one.gap(one.section.path, "then write payloadFields and priority into it")
        return wanted
    changed = source if priority is None else with_priority(source, priority)
    if fields:
        try:
            changed = with_fields(changed, fields)
        except NotMergedError:
            one.gap(one.section.at("payloadFields"), "write them into the template, which is no JSON as it stands")
    used = wanted if changed == source else one.name
    if made.templates.get(used, changed) != changed:
        used = name_of(used, made.templates)
    made.templates[used] = changed
    return used
