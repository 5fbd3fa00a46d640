"""Reads Connaisseur's Helm values: 3.x, and 2.x under the names of 3.x. Pure.

Rules:
(1) Keys are asked for as 3.x writes them (`trustRoots`); 2.x's `trust_roots` is the same key.
(2) A section knows which of its keys were asked for: whatever was not is told as a gap, so that nothing is lost
    because nobody thought of it.
(3) Of a value of a wrong kind the path is told, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from router.errors import ConfigurationError
from router.settings.bounds import Bounds
from router.settings.document import plain
from router.settings.problems import Plain, listing
from router.settings.reading import read_documents
from router.text import shown

LARGEST = 2**20
"""Bytes of a file with values: Helm's own limit of a release is 1 MiB."""
_BOUNDS = Bounds("values", LARGEST, 100_000, 4 * LARGEST, is_strict=False)
_UNDERSCORE = re.compile("_([a-z0-9])")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)


class Section:
    """A map of the values, and which of its keys were asked for."""

    def __init__(self, members: Mapping[str, Plain], path: str = "") -> None:
        self.path = path
        self._members = {_UNDERSCORE.sub(lambda found: found[1].upper(), key): key for key in members}
        self._values = members
        self._asked: dict[str, list[Section]] = {}
        self._is_dismissed = False

    def __contains__(self, key: str) -> bool:
        return self._members.get(key) is not None and self._values[self._members[key]] is not None

    def at(self, key: str) -> str:
        """The path of a key, as it is written there."""
        written = self._members.get(key, key)
        name = written if _NAME.fullmatch(written) else shown(written, 60)
        return f"{self.path}.{name}" if self.path else name

    def raw(self, key: str) -> Plain:
        """The value, as it stands; None where there is none."""
        self._asked.setdefault(key, [])
        return self._values[self._members[key]] if key in self._members else None

    def text(self, key: str) -> str | None:
        """A text, or a number or truth value, which is what Helm would print of it."""
        match value := self.raw(key):
            case None | str():
                return value
            case bool() | int() | float():
                return str(value).lower()
            case _:
                raise self._wrong(key, "a text")

    def flag(self, key: str) -> bool | None:
        """A truth value; a feature of 2.x has it in `enabled`."""
        value = self.raw(key)
        if isinstance(value, dict):
            return self.section(key).flag("enabled")
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(key, "true or false")

    def number(self, key: str) -> int | None:
        """A whole number."""
        value = self.raw(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._wrong(key, "a whole number")

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value = self.raw(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return [one for one in value if isinstance(one, str)]
        raise self._wrong(key, "a list of texts")

    def section(self, key: str) -> Section:
        """A map; empty where there is none."""
        value = self.raw(key)
        if value is not None and not isinstance(value, dict):
            raise self._wrong(key, "a map")
        if not self._asked[key]:
            self._asked[key].append(Section(value or {}, self.at(key)))
        return self._asked[key][0]

    def sections(self, key: str) -> Sequence[Section]:
        """A list of maps."""
        value = self.raw(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, "a list")
        found = list[Section]()
        for number, one in enumerate(value or ()):
            if not isinstance(one, dict):
                raise ConfigurationError(f"{self.at(key)}[{number}]: a map is expected")
            found.append(Section(one, f"{self.at(key)}[{number}]"))
        self._asked[key] = found
        return found

    def dismiss(self) -> None:
        """Nothing that stands here is left: something is told of it as a whole."""
        self._is_dismissed = True

    def left(self) -> Iterator[str]:
        """Paths of whatever nobody asked for."""
        if self._is_dismissed:
            return
        for key, written in self._members.items():
            if key not in self._asked and self._values[written] not in (None, {}, []):
                yield self.at(key)
            for inner in self._asked.get(key, ()):
                yield from inner.left()
        for key in self._values.keys() - self._members.values():  # `trust_roots` beside `trustRoots`
            yield f"{self.path}.{key}" if self.path else key

    def _wrong(self, key: str, expected: str) -> ConfigurationError:
        return ConfigurationError(f"{self.at(key)}: {expected} is expected")


def read_values(name: str, content: bytes) -> Section:
    """The values in a file of this name.

    Raises:
        ConfigurationError: It is no YAML, or holds no values of Connaisseur 2.x or 3.x; the text says where and why.
    """
    documents, ending = read_documents(content, _BOUNDS)
    problems = [problem for _, found in documents for problem in found] + ending
    if problems:
        raise ConfigurationError(listing(name, problems))
    root = plain(documents[0][0]) if len(documents) == 1 else None
    if not isinstance(root, dict):
        raise ConfigurationError(f"{name}: one document is expected that is a map: the values of Connaisseur's chart")
    if "notaries" in root:
        raise ConfigurationError(f"{name}: `notaries` stands in values before 2.1; bring them to 3.x first")
    values = Section(root)
    application = values.section("application") if "application" in values else values
    for key in ("validators", "policy"):
        if key not in application:
            raise ConfigurationError(
                f"{name}: there is no {application.at(key)}; `helm get values --all` prints values with those that "
                "the chart itself has"
            )
    return values
