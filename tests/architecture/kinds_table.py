"""The table of destinations: what each kind does with what it is told, from the kinds themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from annotated_types import Le

from router.destinations.catalogue import KINDS
from router.destinations.kind import AnyKind
from router.destinations.to_come import KINDS_TO_COME

BOTH_LANES = "both"
"""Every kind of today takes decisions and incidents."""


def kind_list(page: str) -> str:
    """Every kind of destination; `page` is the page that the table stands on."""
    rows = [
        "| kind | what it is | lanes | templates | batches | deduplicates | updates |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [f"| {' | '.join(_cells(kind, page))} |" for kind in KINDS]
    return "\n".join(rows)


def _cells(kind: AnyKind, page: str) -> Iterator[str]:
    yield f"[`{kind.name}`]({_section(kind, page)})"
    yield (kind.settings.__doc__ or "").partition("\n")[0]
    yield BOTH_LANES
    yield f"`{kind.template}`, `{kind.incident_template}`" if kind.has_templates else "the CloudEvent itself"
    yield _batches(kind)
    yield kind.deduplicates or "no"
    yield kind.updates or "no"


def _batches(kind: AnyKind) -> str:
    """How many events one request carries where nothing is said, and at most."""
    if (field := kind.settings.model_fields.get("batch_size")) is None:
        return "no"
    (most,) = [one.le for one in field.metadata if isinstance(one, Le)]
    return f"{field.default}, at most {most}"


def _section(kind: AnyKind, page: str) -> str:
    """The heading of the page beneath which the kind is written in an example; its settings, where there is none."""
    for section in page.split("\n## ")[1:]:
        if re.search(rf"^ .*\bkind: {kind.name}$", section, re.MULTILINE):
            return "#" + section.partition("\n")[0].lower().replace(" ", "-")
    return f"configuration.md#destinations-of-kind-{kind.name}"


def to_come() -> str:
    """The kinds that are none yet."""
    names = [f"`{name}`" for name in KINDS_TO_COME]
    return f"{', '.join(names[:-1])} and {names[-1]}"
