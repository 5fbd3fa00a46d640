"""A configuration as plain data that remembers where everything stands in its file. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from router.settings.problems import FilePosition, Path, Plain


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value."""

    value: bool | int | float | str | None
    place: FilePosition


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    nodes: tuple[DocumentNode, ...]
    place: FilePosition


@dataclass(frozen=True, slots=True)
class Members:
    """A map, with the place of each key."""

    nodes: dict[str, tuple[FilePosition, DocumentNode]]
    place: FilePosition


DocumentNode: TypeAlias = "Scalar | Items | Members"


@dataclass(frozen=True, slots=True)
class ConfigurationDocument:
    """The data of a configuration file, and where each of it stands."""

    root: Members

    @property
    def data(self) -> dict[str, Plain]:
        """The plain data; built anew at each call, shared by nobody."""
        return {key: plain(node) for key, (_, node) in self.root.nodes.items()}

    def place(self, path: Path, *, at_key: bool = False) -> FilePosition:
        """Where the value at the path stands, or its key; of a path that leads nowhere, the last part that stands."""
        node: DocumentNode = self.root
        found = self.root.place
        for number, part in enumerate(path, 1):
            match node, part:
                case Members(nodes), str() if part in nodes:
                    key_place, node = nodes[part]
                    found = key_place if at_key or number < len(path) else node.place
                case Items(nodes), int() if 0 <= part < len(nodes):
                    node = nodes[part]
                    found = node.place
                case _:
                    break
        return found


def plain(node: DocumentNode) -> Plain:
    """What the node holds, without places; built anew at each call."""
    match node:
        case Scalar(value):
            return value
        case Items(nodes):
            return [plain(item) for item in nodes]
        case Members(nodes):
            return {key: plain(value) for key, (_, value) in nodes.items()}
