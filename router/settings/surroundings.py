"""Cross-checks against the world around the configuration: templates, certificates, addresses.

Files are read by the one `Reading`; the folders of templates are looked into only to say which there would have been.
Binds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from router.by_reference import SECRET_LIMIT
from router.destinations.catalogue import DestinationSettings, kind_of
from router.destinations.literal import literal_addresses
from router.destinations.settings import HttpSettings
from router.destinations.uses import Use, uses_of
from router.errors import ConfigurationError, TemplateError
from router.fields import ListenAddress
from router.outbound.addresses import Address, is_forbidden
from router.pem import KeyPair, PairSettings
from router.rendering.context import Purpose
from router.rendering.library import NOTICES, Library, Templates
from router.rendering.markup import Markup
from router.rendering.rehearsal import OF_INCIDENTS, OF_NOTICES
from router.rendering.secrets import missing
from router.rendering.shipped import notices_folder, shipped_folder
from router.rendering.template import Template
from router.replicas.naming import listening_at
from router.settings.problems import ConfigurationFinding
from router.settings.problems import Path as DataPath
from router.settings.sections import Ours, RoutesSection, TellingItems, telling_of
from router.settings.snapshot import Reading
from router.settings.tree import Settings
from router.text import advice, shown
from router.tls import show

T = TypeVar("T")
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - these are compared, not bound


def listening(ours: Ours) -> Iterator[ConfigurationFinding]:
    """Two servers at one address: the second could not start. A collector that is named listens at every address."""
    webhook = None if ours.webhook is None else ours.webhook.listen
    operations = None if ours.operations is None else ours.operations.listen
    own = [("webhook.listen", webhook), ("operations.listen", operations)]
    if webhook is not None and operations is not None and _are_one(webhook, operations):
        yield ConfigurationFinding(("operations", "listen"), _taken(operations, "webhook.listen"))
    for name, address in own:
        if ours.collector is not None and address is not None and _are_one(listening_at(ours.collector), address):
            yield ConfigurationFinding(("incidents", "collector"), _taken(ours.collector, name))


def _are_one(one: ListenAddress, other: ListenAddress) -> bool:
    same_host = one.host == other.host or bool(_EVERYWHERE & {one.host, other.host})
    return one.port == other.port and same_host


def _taken(address: ListenAddress, by: str) -> str:
    return f"port {address.port} is {by}'s already; choose another"


def certificates(ours: Ours, telling: TellingItems, reading: Reading) -> Iterator[ConfigurationFinding]:
    """Certificates and keys that do not fit each other, or that OpenSSL does not take."""
    if ours.webhook is not None and isinstance(ours.webhook.tls, PairSettings):
        yield from _pair(ours.webhook.tls, ("webhook", "tls"), reading)
    for item in telling.destinations:
        if isinstance(item.value, HttpSettings) and item.value.client_certificate is not None:
            here: DataPath = ("destinations", item.index, "client_certificate")
            yield from _pair(item.value.client_certificate, here, reading)


def _pair(pair: PairSettings, path: DataPath, reading: Reading) -> Iterator[ConfigurationFinding]:
    try:
        certificate, key = (reading.read(file, SECRET_LIMIT) for file in (pair.certificate, pair.key))
    except (OSError, ValueError):  # one can't be read or is too large: the validation tells of it
        return
    from router.server.certificates import new_context  # noqa: PLC0415 - most configurations need it not

    try:
        show(new_context(), KeyPair(certificate, key))
    except ConfigurationError as error:
        yield ConfigurationFinding(path, f"{pair.certificate} and {pair.key} are {error}")


def templates(
    telling: TellingItems, reading: Reading
) -> Generator[ConfigurationFinding, None, Mapping[str, Templates]]:
    """Templates that are nowhere or can't be used, and a folder of templates that is none.

    Returns:
        The templates of each destination by its name, parsed with the markup that they will have. It is complete where
        nothing was found.
    """
    directory = telling.templates
    if directory is not None and _is_file(directory, reading):
        text = f"{shown(directory.name)} is not a folder; expected one with NAME.json in it, or none"
        yield ConfigurationFinding(("templates", "directory"), text)
    folders = [*([] if directory is None else [directory]), shipped_folder()]
    decisions = Library(folders, reading.read)
    # Offline nobody looks into the folder: what is not found may be there.
    known = None if directory is not None and reading.is_offline else decisions.names
    shelves: Mapping[Purpose, Library] = {
        "decision": decisions,
        "incident": Library(folders, reading.read, OF_INCIDENTS),
        "notice": Library([notices_folder()], reading.read, OF_NOTICES),
    }
    found: dict[str, Templates] = {}
    for item in telling.destinations:
        if item.value is not None:
            here: DataPath = ("destinations", item.index)
            found[item.value.name] = yield from _of_destination(here, item.value, telling.routes, shelves, known)
    return found


def _of_destination(
    here: DataPath,
    destination: DestinationSettings,
    routes: RoutesSection | None,
    shelves: Mapping[Purpose, Library],
    known: Callable[[], frozenset[str]] | None,
) -> Generator[ConfigurationFinding, None, Templates]:
    """Its templates; `known` are those that there are, or None where that can't be told."""
    kind, found = kind_of(destination), dict[Use, Template]()
    markup = kind.markup_by(destination.reads)
    for use in uses_of(destination, kind, None if routes is None else routes.root):
        path = use.place if use.is_of_route else (*here, *use.place)
        template = yield from _template(path, use.template, shelves[use.purpose], markup, known)
        yield from _secrets(path, template, destination)
        found |= {} if template is None else {use: template}
    plain = {use.purpose: one for use, one in found.items() if not (use.is_of_route or use.is_fallback)}
    return Templates(
        plain.get("decision"),
        plain.get("notice"),
        next((one for use, one in found.items() if use.is_fallback), None),
        plain.get("incident"),
        {use.template: one for use, one in found.items() if use.is_of_route},
    )


def _secrets(
    path: DataPath, template: Template | None, destination: DestinationSettings
) -> Iterator[ConfigurationFinding]:
    """Secrets that a template has and its destination has not."""
    for name, line in () if template is None else template.secrets.items():
        if template is not None and name not in destination.secrets:
            yield ConfigurationFinding(
                path, f"template {template.name}: line {line}: {missing(name, destination.secrets)}"
            )


def _template(
    path: DataPath, name: str, library: Library, markup: Markup, known: Callable[[], frozenset[str]] | None
) -> Generator[ConfigurationFinding, None, Template | None]:
    try:
        template = library.template(name.removeprefix(NOTICES), markup)
    except TemplateError as error:
        yield ConfigurationFinding(path, str(error))
        return None
    if template is None and known is not None:
        text = f"{shown(name)} names no template; {advice(name, sorted(known()))}; or add it to templates.directory"
        yield ConfigurationFinding(path, text)
    return template


def gathered(checking: Generator[ConfigurationFinding, None, T]) -> tuple[T, list[ConfigurationFinding]]:
    """What a check returns at its end, and what it has found until then."""
    found: list[ConfigurationFinding] = []
    while True:
        try:
            found.append(next(checking))
        except StopIteration as ended:
            returned: T = ended.value
            return returned, found


def _is_file(path: Path, reading: Reading) -> bool:
    try:
        reading.read(path, 0)
    except OSError:  # a folder, or nothing
        return False
    except ValueError:
        return True
    return True


def forbidden_addresses(telling: TellingItems) -> Iterator[ConfigurationFinding]:
    """Destinations, and proxies, at a literal address to which nothing is ever sent."""
    for path, address, what in _addresses(telling):
        if is_forbidden(address):
            text = f"{what} is a link-local or metadata address, to which nothing is ever sent; name another"
            yield ConfigurationFinding(path, text)


def private_addresses(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Warnings: destinations, and proxies, at a literal private or loopback address that `egress.allow` lacks."""
    guard = settings.egress.guard()
    for path, address, what in _addresses(telling_of(settings)):
        if not guard.allows(address):
            text = f"{what} is not a public address; add its network to egress.allow, or nothing is sent there"
            yield ConfigurationFinding(path, text)


def _addresses(telling: TellingItems) -> Iterator[tuple[DataPath, Address, str]]:
    """Every literal address that something is sent to, and what it is called: of a secret URL nothing is shown."""
    for item in telling.destinations:
        for found in () if item.value is None else literal_addresses(item.value):
            what = f"the host of the {found.path[0]} that is referenced" if found.is_referenced else str(found.address)
            yield ("destinations", item.index, *found.path), found.address, what
