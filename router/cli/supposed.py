"""The event that `gatecrier routes test` is asked about: a stored one, one in a file, or one that options suppose."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.files import may_be_file
from router.reasons import REASONS
from router.text import shown, why_unread
from router.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.events import CloudEvent, OwnerData
    from router.settings.routes_part import RoutesPart

FILE_LIMIT = 2**20
"""Bytes of an event in a file."""


def supposing(parser: argparse.ArgumentParser) -> None:
    """Let a command suppose a request."""
    parser.add_argument("--namespace", metavar="N", help="namespace of the request")
    parser.add_argument("--name", metavar="NAME", help="name of the object")
    parser.add_argument("--kind", metavar="KIND", help="kind of the object (default: Pod)")
    parser.add_argument("--owner", metavar="KIND/NAME", help="the object's controller")
    parser.add_argument("--operation", choices=("CREATE", "UPDATE"), help="what is asked (default: CREATE)")
    parser.add_argument("--user", metavar="NAME", help="who asks")
    parser.add_argument("--group", metavar="NAME", action="append", help="a group of who asks; may be repeated")
    parser.add_argument("--image", metavar="IMAGE", help="the image of every container")
    parser.add_argument(
        "--verdict",
        action="append",
        choices=[one.value for one in Verdict],
        metavar="V",
        help=f"verdict of a container, one of {', '.join(Verdict)}; may be repeated",
    )
    parser.add_argument(
        "--reason",
        metavar="CODE",
        choices=sorted({code.value for codes in REASONS.values() for code in codes}),
        help="the reason of every verdict that can have it, as in docs/reasons.md",
    )


SUPPOSABLE = ("namespace", "name", "kind", "owner", "operation", "user", "group", "image", "verdict", "reason")
"""The options of `supposing`."""


def event_meant(arguments: argparse.Namespace, part: RoutesPart) -> Mapping[str, object] | None:
    """The event that is meant; None where it is nowhere. Raises ValueError where a file or an option is wrong."""
    if arguments.event is None:
        return {**_supposed(arguments, part)}
    return event_named(arguments.event, arguments.config)


def event_named(name: str, config: Path) -> Mapping[str, object] | None:
    """The event in a file, or the stored one of this id; None where it is nowhere. Raises ValueError as above."""
    path = Path(name)
    return event_in(path) if may_be_file(path) else _stored(name, config)


def event_in(path: Path) -> Mapping[str, object]:
    """The event in a file; raises ValueError where there is none in it, or it can't be read."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {why_unread(error)}") from error
    if len(text) > FILE_LIMIT:
        raise ValueError(f"{path} has more than {FILE_LIMIT} bytes; an event has at most 256 KiB")
    return event_of(text, str(path))


def event_of(text: bytes | str, name: str) -> Mapping[str, object]:
    """The event that a text is, which is called so in errors; raises ValueError where it is none."""
    from router.events import as_json  # noqa: PLC0415 - needed only here, and half of what we are

    try:
        event = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is no JSON: {why_unread(error)}") from error
    except RecursionError as error:
        raise ValueError(f"{name} is no JSON: too many lists and objects stand within each other") from error
    except ValueError as error:  # a number that Python does not even read
        raise ValueError(f"{name} holds what no event can: a number of thousands of digits") from error
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise ValueError(f'{name} is no event; expected a CloudEvent, a JSON object with "data"')  # noqa: TRY004 - told like the others
    try:
        as_json(event)
    except TypeError as error:
        raise ValueError(f"{name} holds what no event can: {str(error).lower()}") from error
    return event


def _stored(event_id: str, config: Path) -> Mapping[str, object] | None:
    import asyncio  # noqa: PLC0415 - needed only here

    from router.cli import events  # noqa: PLC0415 - needed only here
    from router.outbox.stored import Stretch  # noqa: PLC0415 - needed only here

    async def found() -> Mapping[str, object] | None:
        async with events.opened(config) as records:
            some = await records.events(Stretch(ids=[event_id]), 1)
            return json.loads(some[0].body) if some else None

    return asyncio.run(found())


def _supposed(arguments: argparse.Namespace, part: RoutesPart) -> CloudEvent:
    from router.admission.kinds import KINDS  # noqa: PLC0415 - needed only here
    from router.events import Origin  # noqa: PLC0415 - needed only here
    from router.events.supposing import Supposition, supposed_event  # noqa: PLC0415 - needed only here
    from router.policy import Enforcement, Policy  # noqa: PLC0415 - needed only here

    groups = {one.kind: one.group for one in reversed(KINDS)}

    def api_version(kind: str) -> str:
        return f"{group}/v1" if (group := groups.get(kind, "")) else "v1"

    kind = arguments.kind or "Pod"
    owner: OwnerData | None = None
    if arguments.owner is not None:
        owner_kind, slash, owner_name = arguments.owner.partition("/")
        if not (owner_kind and slash and owner_name):
            raise ValueError(f"--owner {shown(arguments.owner)}: write KIND/NAME, such as Deployment/web")
        owner = {"api_version": api_version(owner_kind), "kind": owner_kind, "name": owner_name, "uid": ""}
    supposition = Supposition(
        namespace=arguments.namespace or "default",
        api_version=api_version(kind),
        kind=kind,
        name=arguments.name or "supposed",
        operation=arguments.operation or "CREATE",
        user=arguments.user or "",
        groups=arguments.group or (),
        owner=owner,
        image=arguments.image,
        verdicts=[Verdict(one) for one in arguments.verdict or ()],
        reason=arguments.reason,
    )
    origin = Origin(part.cluster, "")
    return supposed_event(supposition, Policy(part.policy), Enforcement(part.enforcement), origin, at=time.time())
