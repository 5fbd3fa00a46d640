"""Reads the part of a configuration that images are judged by, for whoever judges elsewhere than in the gate.

Rules:
(1) What is read is what `JudgingSettings` has, and where the outbox lies, since trusted roots that were renewed are
    kept beside it; nothing else is looked at or asked for: a pipeline has neither the secrets of destinations nor the
    key of the webhook.
(2) Of what is read nothing is passed over: an unknown key beneath `policy` or `verifiers` refuses the configuration
    here as at the start, or a demand that is misspelt would be none.
(3) A configuration may also be made of what a command line says (`Said`): it is checked by the same rules, and its
    files are relative to the working directory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from router.errors import ConfigurationError
from router.fields import ReadingContext
from router.outbox import OutboxSettings
from router.policy import Policy
from router.settings import problems, shape
from router.settings.loading import judging_checks, placed
from router.settings.plain import Item
from router.settings.problems import Plain
from router.settings.reading import LARGEST, read_document
from router.settings.sections import judging_items
from router.settings.snapshot import Reading, read_file
from router.settings.tree import JudgingSettings
from router.settings.validating import validated
from router.text import why_unread

COMMAND_LINE = "command line"
"""What a configuration is called that a command line has said."""

_PLACE = re.compile(rf"^{COMMAND_LINE}:[0-9]+:[0-9]+: ", re.MULTILINE)


class AskingSettings(JudgingSettings):
    """What whoever judges at a terminal must know (1)."""

    outbox: OutboxSettings | None = None
    """Where events are kept, and trusted roots beside them; None: nothing was."""


_WHOLE = TypeAdapter(AskingSettings)


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """What images are judged by."""

    settings: AskingSettings
    policy: Policy = field(compare=False)
    """The rules of the settings, compiled."""


def load(path: Path, environment: Mapping[str, str]) -> JudgedBy:
    """This part of a configuration file.

    Raises:
        ConfigurationError: With every problem of this part and of the files that it names.
    """
    return _read(Reading(path, environment))


def said(document: Item) -> JudgedBy:
    """The same of what a command line says; raises ConfigurationError."""
    path, content = Path(COMMAND_LINE).absolute(), json.dumps(document).encode()
    reading = Reading(path, {}, lambda file, limit: content if file == path else read_file(file, limit))
    reading.name = COMMAND_LINE
    try:
        return _read(reading)
    except ConfigurationError as error:  # a line and a column of a text that nobody has written say nothing
        raise ConfigurationError(_PLACE.sub(f"{COMMAND_LINE}: ", str(error))) from error


def _read(reading: Reading) -> JudgedBy:
    try:
        content = reading.read(reading.path, LARGEST)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{reading.name}: the configuration can't be read: {why_unread(error)}") from error
    document, found = read_document(content)
    if document is None:
        raise ConfigurationError(problems.listing(reading.name, found))
    data = _part(document.data)
    context = ReadingContext(reading.folder, reading, reading.read)
    result = validated(_WHOLE, AskingSettings, data, context)
    findings = result if isinstance(result, list) else []
    told_of = {finding.path for finding in findings}
    findings = [
        *findings,
        *(finding for finding in judging_checks(judging_items(data, result, context)) if finding.path not in told_of),
    ]
    if findings or found or isinstance(result, list):
        found += [placed(document, data, finding) for finding in findings]
        raise ConfigurationError(problems.listing(reading.name, found))
    return JudgedBy(result, Policy(result.policy))


def _part(whole: Item) -> Item:
    """What is read here (1)."""
    part = _with_keys(whole, shape.keys(AskingSettings))
    webhook = shape.field_at(AskingSettings, "webhook")
    models = () if webhook is None else shape.models_in(webhook.annotation)
    for model in models:
        if isinstance(value := part.get("webhook"), dict):
            part["webhook"] = _with_keys(value, shape.keys(model))
    return part


def _with_keys(value: Mapping[str, Plain], keys: tuple[str, ...]) -> Item:
    return {key: item for key, item in value.items() if key in keys}
