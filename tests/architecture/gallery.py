"""What every shipped template makes, for the page that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from router.cli.templates.making import made, pretty
from router.cli.templates.shelf import Entry, entry
from router.destinations.catalogue import KINDS
from router.destinations.uses import WrittenDestination, uses_of
from router.rendering.context import Purpose
from router.rendering.examples import BY_NAME
from router.rendering.library import NOTICES, SUFFIX
from router.rendering.shipped import notices_folder, shipped_folder

SHOWN: dict[Purpose, str] = {
    "decision": "would-reject-one-image-no-owner",
    "incident": "incident-opened",
    "notice": "notice-deliveries_late-began",
}
"""Which example each template is shown with: short ones."""
_HEAD = """# Gallery

What each template that comes with Gatecrier makes of an example event, as `gatecrier templates render` prints it but
over several lines. What its service is sent of that stands, for each kind, in [Destinations](destinations.md); how to
write one of your own, in [Templates](templates.md); how they look to their readers, `gatecrier templates studio` shows.
"""


def shipped_entries() -> Sequence[Entry]:
    """Every shipped template: those of a kind together, kinds in their documented order, others at the end."""
    files = {path.stem: path for path in shipped_folder().glob(f"*{SUFFIX}")}
    files |= {f"{NOTICES}{path.stem}": path for path in notices_folder().glob(f"*{SUFFIX}")}
    names = dict.fromkeys([*_USERS, *sorted(files)])
    return [entry(name, files[name], is_shipped=True) for name in names]


def gallery() -> str:
    """The page."""
    return "\n".join([_HEAD, *(line for one in shipped_entries() for line in _lines(one))])


def _lines(template: Entry) -> Iterator[str]:
    (purpose,) = template.purposes
    users = " and ".join(f"`{kind}`" for kind in _USERS.get(template.name, ()))
    example = SHOWN[purpose]
    yield f"## {template.name}"
    yield ""
    yield f"For {purpose}s{f', of {users}' if users else ''}."
    yield ""
    yield "```sh"
    yield f"gatecrier templates render {template.name} --event {example}"
    yield "```"
    yield ""
    yield "```json"
    yield from pretty(made(template, BY_NAME[purpose][example], None).body)
    yield "```"
    yield ""


def _users() -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        for use in uses_of(WrittenDestination(), kind, None):
            found.setdefault(use.template, []).append(kind.name)
    return found


_USERS = _users()
"""The kinds that are told by each, in their documented order."""
