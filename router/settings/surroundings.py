"""Cross-checks against the world around the configuration: templates, the TLS pair, addresses.

What has the wrong type is passed over here, because the validation tells of it. Reads files, binds nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import get_args

from yarl import URL

from router.destinations.catalogue import AnyDestination, default_template
from router.destinations.egress import EgressSettings
from router.errors import ConfigurationError, TemplateError
from router.fields import SECRET_LIMIT, ReadingContext
from router.outbound.addresses import Address, address_of, is_forbidden
from router.outbound.authorities import are_authorities
from router.rendering.library import Library
from router.rendering.shipped import shipped_folder
from router.settings import shape
from router.settings.names import Item, maps, missing_templates
from router.settings.problems import Finding, Plain, inside, quoted
from router.settings.problems import Path as DataPath

_EVERYWHERE = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - these are compared, not bound


def listening(data: Item) -> Iterator[Finding]:
    """Two servers at one address: the second could not start."""
    ours = inside(data.get("webhook"), "listen"), inside(data.get("operations"), "listen")
    webhook, operations = (value.rpartition(":") if isinstance(value, str) else ("", "", "") for value in ours)
    same_host = webhook[0] == operations[0] or _EVERYWHERE & {webhook[0], operations[0]}
    if webhook[2] and webhook[2] == operations[2] and same_host:
        text = f"port {operations[2]} is webhook.listen's already; choose another"
        yield Finding(("operations", "listen"), text)


def certificates(data: Item, reading: ReadingContext) -> Iterator[Finding]:
    """Certificates and keys that can't be read, are none, or do not fit each other; and CAs of destinations."""
    yield from _pair(inside(data.get("webhook"), "tls"), ("webhook", "tls"), reading)
    for index, destination in maps(data.get("destinations")):
        here: DataPath = ("destinations", index)
        yield from _pair(destination.get("client_certificate"), (*here, "client_certificate"), reading)
        content = yield from _read(destination.get("ca"), (*here, "ca"), reading)
        if content is not None and not are_authorities(content):
            yield Finding((*here, "ca"), "holds no certificate that can be read; expected -----BEGIN CERTIFICATE-----")


def _pair(pair: Plain, path: DataPath, reading: ReadingContext) -> Iterator[Finding]:
    names = [inside(pair, key) for key in ("certificate", "key")]
    contents = []
    for key, name in zip(("certificate", "key"), names, strict=True):
        contents.append((yield from _read(name, (*path, key), reading)))
    if None in contents:
        return
    from router.server.certificates import load_files, new_context  # noqa: PLC0415 - most configurations need it not

    try:
        load_files(new_context(), *(reading.folder / str(name) for name in names))
    except ConfigurationError as error:
        yield Finding(path, str(error).removeprefix("webhook.tls: "))


def _read(name: Plain, path: DataPath, reading: ReadingContext) -> Generator[Finding, None, bytes | None]:
    """The content of a file, or None and, where a file is named, what is wrong with it."""
    if not isinstance(name, str):
        return None
    try:
        return reading.read(reading.folder / name, SECRET_LIMIT)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        yield Finding(path, f"the file {quoted(name)} can't be read: {cause}")
        return None


def template_files(data: Item, folder: Path) -> dict[str, Path]:
    """Every template that a destination can name, and the file that is used: the operator's before ours."""
    found = {path.stem: path for path in shipped_folder().glob("*.json")}
    if (directory := _directory(data, folder)) is not None:
        found |= {path.stem: path for path in directory.glob("*.json")}
    return found


def _directory(data: Item, folder: Path) -> Path | None:
    name = inside(data.get("templates"), "directory")
    return folder / name if isinstance(name, str) and name and "\0" not in name else None


def templates_there(data: Item, folder: Path) -> Iterator[Finding]:
    """Templates that are nowhere or can't be used, and a folder of templates that is none."""
    directory = _directory(data, folder)
    if directory is not None and directory.exists() and not directory.is_dir():
        text = f"{quoted(directory.name)} is no folder; expected one with NAME.json in it, or none"
        yield Finding(("templates", "directory"), text)
    available = template_files(data, folder)
    yield from missing_templates(used_templates(data), available)
    yield from _unusable_templates(data, available)


def used_templates(data: Item) -> Iterator[tuple[int, str]]:
    """Destinations by index, and the template that each of them uses."""
    by_kind = default_templates()
    for index, destination in maps(data.get("destinations")):
        name = destination.get("template", by_kind.get(str(destination.get(shape.TAG))))
        if isinstance(name, str):
            yield index, name


def _unusable_templates(data: Item, available: Mapping[str, Path]) -> Iterator[Finding]:
    texts: dict[str, str | None] = {}
    for index, name in used_templates(data):
        if name in available and name not in texts:
            texts[name] = _why_unusable(name, available[name])
        if (text := texts.get(name)) is not None:
            yield Finding(("destinations", index, "template"), text)


def _why_unusable(name: str, path: Path) -> str | None:
    try:
        Library([path.parent]).template(name)
    except TemplateError as error:
        return str(error)
    return None


def default_templates() -> Mapping[str, str | None]:
    """The template of each kind of destination that has one of its own."""
    return {
        tag: default_template(model.model_construct(kind=tag))
        for model in get_args(AnyDestination)
        for tag in shape.tags(model)
    }


def forbidden_addresses(data: Item) -> Iterator[Finding]:
    """Destinations at a literal address to which nothing is ever sent."""
    for path, address in _addresses(data):
        if is_forbidden(address):
            text = f"{address} is a link-local or metadata address, to which nothing is ever sent; name another"
            yield Finding(path, text)


def private_addresses(data: Item) -> Iterator[Finding]:
    """Warnings: destinations at a literal private or loopback address that `egress.allow` does not name."""
    networks = tuple(_networks(inside(data.get("egress"), "allow")))
    guard = EgressSettings.model_construct(allow=networks).guard()
    for path, address in _addresses(data):
        if not guard.allows(address):
            text = f"{address} is no public address; add its network to egress.allow, or nothing is sent there"
            yield Finding(path, text)


def _addresses(data: Item) -> Iterator[tuple[DataPath, Address]]:
    for index, destination in maps(data.get("destinations")):
        url = destination.get("url")
        if isinstance(url, str) and (address := _address(url)) is not None:
            yield ("destinations", index, "url"), address


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
