"""Cross-checks against the world around the configuration: templates, certificates, addresses.

What has the wrong type is passed over here, because the validation tells of it. Files are read by the one `Reading`;
the folders of templates are looked into only to say which there would have been. Binds nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from yarl import URL

from router.by_reference import SECRET_LIMIT
from router.destinations.catalogue import kind_named
from router.destinations.egress import EgressSettings
from router.errors import ConfigurationError, TemplateError
from router.outbound.addresses import Address, address_of, is_forbidden
from router.pem import Pair
from router.rendering.library import Library, Templates
from router.rendering.markup import Markup
from router.rendering.rehearsal import OF_INCIDENTS, OF_NOTICES
from router.rendering.shipped import notices_folder, shipped_folder
from router.rendering.template import Template
from router.settings import shape
from router.settings.names import missing_template
from router.settings.plain import Item, maps
from router.settings.problems import Finding, Plain, inside, quoted
from router.settings.problems import Path as DataPath
from router.settings.routes import nodes
from router.settings.snapshot import Reading
from router.tls import show

T = TypeVar("T")
_EVERYWHERE = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - these are compared, not bound


def listening(data: Item) -> Iterator[Finding]:
    """Two servers at one address: the second could not start."""
    ours = inside(data.get("webhook"), "listen"), inside(data.get("operations"), "listen")
    webhook, operations = (value.rpartition(":") if isinstance(value, str) else ("", "", "") for value in ours)
    same_host = webhook[0] == operations[0] or _EVERYWHERE & {webhook[0], operations[0]}
    if webhook[2] and webhook[2] == operations[2] and same_host:
        text = f"port {operations[2]} is webhook.listen's already; choose another"
        yield Finding(("operations", "listen"), text)


def certificates(data: Item, reading: Reading) -> Iterator[Finding]:
    """Certificates and keys that do not fit each other, or that OpenSSL does not take."""
    yield from _pair(inside(data.get("webhook"), "tls"), ("webhook", "tls"), reading)
    for index, destination in maps(data.get("destinations")):
        here: DataPath = ("destinations", index, "client_certificate")
        yield from _pair(destination.get("client_certificate"), here, reading)


def _pair(pair: Plain, path: DataPath, reading: Reading) -> Iterator[Finding]:
    names = [inside(pair, key) for key in ("certificate", "key")]
    files = [reading.folder / name for name in names if isinstance(name, str)]
    try:
        certificate, key = (reading.read(file, SECRET_LIMIT) for file in files)
    except (OSError, ValueError):  # one is not named, can't be read or is too large: the validation tells of it
        return
    from router.server.certificates import new_context  # noqa: PLC0415 - most configurations need it not

    try:
        show(new_context(), Pair(certificate, key))
    except ConfigurationError as error:
        yield Finding(path, f"{files[0]} and {files[1]} are {error}")


def templates(data: Item, reading: Reading) -> Generator[Finding, None, Mapping[str, Templates]]:
    """Templates that are nowhere or can't be used, and a folder of templates that is none.

    Returns:
        The templates of each destination by its name, parsed with the markup that they will have. It is complete where
        nothing was found.
    """
    directory = _directory(data, reading.folder)
    if directory is not None and _is_file(directory, reading):
        text = f"{quoted(directory.name)} is not a folder; expected one with NAME.json in it, or none"
        yield Finding(("templates", "directory"), text)
    folders = [*([] if directory is None else [directory]), shipped_folder()]
    decisions = Library(folders, reading.read)
    # Offline nobody looks into the folder: what is not found may be there.
    known = None if directory is not None and reading.is_offline else decisions.names
    incidents, notices = (
        Library(folders, reading.read, OF_INCIDENTS),
        Library([notices_folder()], reading.read, OF_NOTICES),
    )
    shelves = _Shelves(decisions, incidents, notices, known)
    found: dict[str, Templates] = {}
    for index, destination in maps(data.get("destinations")):
        found[str(destination.get("name"))] = yield from _of_destination(
            ("destinations", index), destination, data.get("routes"), shelves
        )
    return found


@dataclass(frozen=True, slots=True)
class _Shelves:
    """Where templates are taken from."""

    decisions: Library
    incidents: Library
    notices: Library
    known: Callable[[], frozenset[str]] | None
    """Which there are; None where that can't be told."""


def _of_destination(
    here: DataPath, destination: Item, routes: Plain, shelves: _Shelves
) -> Generator[Finding, None, Templates]:
    kind = kind_named(destination.get(shape.TAG))
    default = None if kind is None else kind.template
    markup = Markup.NONE if kind is None else kind.markup
    names = {"template": default, "fallback_template": None} | {
        key: destination[key] for key in ("template", "fallback_template") if destination.get(key) is not None
    }
    made: dict[str, Template | None] = {}
    for key, name in names.items():
        made[key] = yield from _template((*here, key), name, shelves.decisions, markup, shelves.known)
    of_incidents = destination.get("incident_template") or (None if kind is None else kind.incident_template)
    incident = yield from _template(
        (*here, "incident_template"), of_incidents, shelves.incidents, markup, shelves.known
    )
    by_name: dict[str, Template] = {}
    for path, other in _of_routes(routes, str(destination.get("name"))):
        found = yield from _template(path, other, shelves.incidents, markup, shelves.known)
        by_name |= {} if found is None else {other: found}
    of_notices = None if default is None else shelves.notices.template(default, markup)
    return Templates(made["template"], of_notices, made["fallback_template"], incident, by_name)


def _template(
    path: DataPath, name: Plain, library: Library, markup: Markup, known: Callable[[], frozenset[str]] | None
) -> Generator[Finding, None, Template | None]:
    """One template; `known` are those that there are, or None where that can't be told."""
    if not isinstance(name, str):
        return None
    try:
        template = library.template(name, markup)
    except TemplateError as error:
        yield Finding(path, str(error))
        return None
    if template is None and known is not None:
        yield missing_template(path, name, known())
    return template


def _of_routes(root: Plain, destination: str) -> Iterator[tuple[DataPath, str]]:
    """Templates that routes name for this destination, with their places."""
    if isinstance(root, dict):
        for path, node, _ in nodes(root, ("routes",)):
            name = inside(node.get("templates"), destination)
            if isinstance(name, str):
                yield (*path, "templates", destination), name


def gathered(checking: Generator[Finding, None, T]) -> tuple[T, list[Finding]]:
    """What a check returns at its end, and what it has found until then."""
    found: list[Finding] = []
    while True:
        try:
            found.append(next(checking))
        except StopIteration as ended:
            returned: T = ended.value
            return returned, found


def _directory(data: Item, folder: Path) -> Path | None:
    name = inside(data.get("templates"), "directory")
    return folder / name if isinstance(name, str) and name and "\0" not in name else None


def _is_file(path: Path, reading: Reading) -> bool:
    try:
        reading.read(path, 0)
    except OSError:  # a folder, or nothing
        return False
    except ValueError:
        return True
    return True


def forbidden_addresses(data: Item, reading: Reading) -> Iterator[Finding]:
    """Destinations, and proxies, at a literal address to which nothing is ever sent."""
    for path, address, shown in _addresses(data, reading):
        if is_forbidden(address):
            text = f"{shown} is a link-local or metadata address, to which nothing is ever sent; name another"
            yield Finding(path, text)


def private_addresses(data: Item, reading: Reading) -> Iterator[Finding]:
    """Warnings: destinations, and proxies, at a literal private or loopback address that `egress.allow` lacks."""
    networks = tuple(_networks(inside(data.get("egress"), "allow")))
    guard = EgressSettings.model_construct(allow=networks).guard()
    for path, address, shown in _addresses(data, reading):
        if not guard.allows(address):
            text = f"{shown} is not a public address; add its network to egress.allow, or nothing is sent there"
            yield Finding(path, text)


def _addresses(data: Item, reading: Reading) -> Iterator[tuple[DataPath, Address, str]]:
    """Every literal address that something is sent to, and what it is called: of a secret URL nothing is shown."""
    for index, destination in maps(data.get("destinations")):
        for path, value in _told_at(destination):
            url = value if isinstance(value, str) else _referenced(value, reading)
            if url is not None and (address := _address(url)) is not None:
                shown = str(address) if isinstance(value, str) else f"the host of the {path[0]} that is referenced"
                yield ("destinations", index, *path), address, shown


def _told_at(destination: Item) -> Iterator[tuple[DataPath, Plain]]:
    for key in ("url", "api", "proxy"):
        yield (key,), destination.get(key)
    several = destination.get("urls")
    for number, one in enumerate(several if isinstance(several, list) else ()):
        yield ("urls", number), one


def _referenced(reference: Plain, reading: Reading) -> str | None:
    """The text that a reference leads to; None where there is none, since the validation tells of it."""
    match reference:
        case {"env": str(name)}:
            return reading.get(name, "").strip()
        case {"file": str(name)} if name and "\0" not in name:
            try:
                return reading.read(reading.folder / name, SECRET_LIMIT).decode().strip()
            except (OSError, ValueError):
                return None
        case _:
            return None


def _address(url: str) -> Address | None:
    try:
        return address_of(URL(url).raw_host or "")
    except ValueError:
        return None


def _networks(allow: Plain) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for text in allow if isinstance(allow, list) else ():
        if isinstance(text, str):
            try:
                yield ipaddress.ip_network(text)
            except ValueError:
                continue  # the validation tells of it
