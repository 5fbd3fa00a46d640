"""Reads manifests and AdmissionReviews from files: each object becomes a review, as the API server would send it.

Rules:
(1) A file is JSON (one document), or YAML with any number of documents. A document is an object of Kubernetes, a list
    of such (its kind ends in `List`, and it has `items`), or an AdmissionReview. Empty documents are nothing.
(2) What is in a JSON file is not understood here, only taken apart: the very bytes of an object go into its review. A
    YAML document is read within bounds (`router.settings.reading`) and written as JSON.
(3) An object is asked about as if it were created in its namespace, or in the one that is given where it names none.
    An AdmissionReview is asked as it stands.
(4) What can't be read is told, with file and line, and nothing of that document is judged. A document that is no object
    of Kubernetes can't be judged; passing over it would be saying that it is fine.
(5) Folders are searched for *.yaml, *.yml and *.json, in the order of their names; links to folders are not followed.
    What can't be searched is told like a file that can't be read. What is no regular file (a pipe, a device) is read
    where it is named itself, and told where it lies in a folder.

Bounds: 64 MiB a file, 10,000 files, 256 MiB and 100,000 objects in all, and what `MANIFESTS` says.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from router.errors import MisusedError
from router.settings.bounds import Bounds
from router.settings.document import plain
from router.settings.problems import Problem
from router.settings.reading import read_documents
from router.text import shown, why_unread

SIZE_LIMIT = 64 * 2**20
"""Bytes of a file."""
TOTAL_LIMIT = 256 * 2**20
"""Bytes of all objects."""
FILES_LIMIT = 10_000
OBJECTS_LIMIT = 100_000
MANIFESTS = Bounds("manifest", SIZE_LIMIT, nodes=2_000_000, characters=2 * SIZE_LIMIT, is_strict=False)
STANDARD_INPUT = "-"
_ENDINGS = (".yaml", ".yml", ".json")
_REVIEW, _REVIEW_VERSION = "AdmissionReview", "admission.k8s.io/v1"


class _Metadata(msgspec.Struct):
    name: str | None = None
    generate_name: str | None = msgspec.field(default=None, name="generateName")
    namespace: str | None = None


class _Head(msgspec.Struct):
    """As much of a document as it takes to know what it is."""

    api_version: str = msgspec.field(default="", name="apiVersion")
    kind: str = ""
    metadata: _Metadata | None = None
    items: list[Raw] | UnsetType | None = UNSET
    request: Raw = msgspec.field(default_factory=Raw)


@dataclass(frozen=True, slots=True)
class ManifestReview:
    """One object, as it is asked about."""

    file: str
    line: int | None
    """Where its document begins; None where that is the whole file."""
    body: bytes
    """An AdmissionReview."""


@dataclass(frozen=True, slots=True)
class UnreadableManifest:
    """A document, or a whole file, that can't be judged."""

    file: str
    line: int | None
    problem: str


ReadManifest: TypeAlias = ManifestReview | UnreadableManifest
NamedFile: TypeAlias = Path | str | UnreadableManifest
"""A file, standard input, or what was found in a folder and can't be read."""


def files(names: Sequence[str]) -> list[NamedFile]:
    """The files that these names mean; `-` is standard input.

    Raises:
        MisusedError: There is no such file, or there are too many.
    """
    found: list[NamedFile] = []
    for name in names:
        path = Path(name)
        try:
            if name == STANDARD_INPUT:
                found.append(name)
            elif path.is_dir():
                found += _inside(path)
            elif path.exists():
                found.append(path)
            else:
                raise MisusedError(f"there is no file or folder {shown(name)}")
        except OSError as error:  # whether there is one is not to be learnt
            found.append(_unreadable(name, error))
        if len(found) > FILES_LIMIT:
            raise MisusedError(f"there are more than {FILES_LIMIT} files; give fewer at once")
    return list(dict.fromkeys(found))


def _inside(folder: Path) -> Iterator[NamedFile]:
    refused: list[UnreadableManifest] = []

    def refuse(error: OSError) -> None:
        refused.append(_unreadable(str(error.filename or folder), error))

    for here, folders, names in os.walk(folder, onerror=refuse):
        yield from refused
        refused.clear()
        folders.sort()
        yield from (_in_folder(Path(here) / name) for name in sorted(names) if name.endswith(_ENDINGS))
    yield from refused


def _in_folder(file: Path) -> NamedFile:
    try:
        is_regular = stat.S_ISREG(file.stat().st_mode)
    except OSError as error:
        return _unreadable(str(file), error)
    if not is_regular:
        return _unreadable(str(file), ValueError("it is not a regular file; name it, if it is meant"))
    return file


def _unreadable(name: str, error: OSError | ValueError) -> UnreadableManifest:
    return UnreadableManifest(name, None, f"it can't be read: {why_unread(error)}")


def read_all(files: Sequence[NamedFile], namespace: str) -> list[ReadManifest]:
    """Every object in these files.

    Raises:
        MisusedError: They hold more than `TOTAL_LIMIT` bytes of objects, or `OBJECTS_LIMIT` of them.
    """
    found: list[ReadManifest] = []
    size = 0
    for file in files:
        for one in read(file, namespace):
            found.append(one)
            size += len(one.body) if isinstance(one, ManifestReview) else 0
            if size > TOTAL_LIMIT or len(found) > OBJECTS_LIMIT:
                limit = f"{OBJECTS_LIMIT} objects or {TOTAL_LIMIT} bytes"
                raise MisusedError(f"there are more than {limit}; give fewer files at once")
    return found


def read(file: NamedFile, namespace: str) -> Iterator[ReadManifest]:
    """Every object in a file; `namespace` is where those are created that name none."""
    if isinstance(file, UnreadableManifest):
        yield file
        return
    name = "standard input" if file == STANDARD_INPUT else str(file)
    try:
        content = _content(file)
    except (OSError, ValueError) as error:
        yield _unreadable(name, error)
        return
    yield from of_content(name, content, namespace)


def of_content(name: str, content: bytes, namespace: str) -> Iterator[ReadManifest]:
    """Every object in the content of a file of this name."""
    for line, document in _documents(name, content):
        if isinstance(document, UnreadableManifest):
            yield document
        else:
            yield from _objects(name, line, document, namespace)


def _content(file: Path | str) -> bytes:
    if file == STANDARD_INPUT:
        content = sys.stdin.buffer.read(SIZE_LIMIT + 1)
    else:
        with Path(file).open("rb") as opened:
            if stat.S_ISDIR(os.fstat(opened.fileno()).st_mode):
                raise ValueError("it is a folder")
            content = opened.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise ValueError(f"it has more than {SIZE_LIMIT} bytes")
    return content


def _documents(name: str, content: bytes) -> Iterator[tuple[int | None, bytes | UnreadableManifest]]:
    """Each document as JSON, with its line."""
    if _is_json(content):
        yield None, content
        return
    documents, ending = read_documents(content, MANIFESTS)
    for node, problems in documents:
        yield from _refused(name, problems)
        if not problems and (value := plain(node)) is not None:
            yield node.place.line, json.dumps(value).encode()
    yield from _refused(name, ending)


def _is_json(content: bytes) -> bool:
    if not content.lstrip().startswith(b"{"):
        return False
    try:
        msgspec.json.decode(content, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _refused(name: str, problems: Sequence[Problem]) -> Iterator[tuple[None, UnreadableManifest]]:
    for problem in problems:
        text = f"{problem.path}: {problem.text}" if problem.path else problem.text
        yield None, UnreadableManifest(name, problem.place.line, text)


def _objects(file: str, line: int | None, document: bytes, namespace: str) -> Iterator[ReadManifest]:
    """The objects of one document, those of lists one by one."""
    waiting = deque([document])
    while waiting:
        body = waiting.popleft()
        try:
            head = msgspec.json.decode(body, type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield UnreadableManifest(
                file, line, "this is no object of Kubernetes: apiVersion, kind or metadata are of no use"
            )
            continue
        if not head.kind or not head.api_version:
            yield UnreadableManifest(file, line, "this is no object of Kubernetes: apiVersion or kind is missing")
        elif (items := _items(head)) is not None:
            waiting.extendleft(bytes(item) for item in reversed(items))
        elif head.kind == _REVIEW and memoryview(head.request):
            yield ManifestReview(file, line, body)
        else:
            yield ManifestReview(file, line, _review(head, body, namespace))


def _items(head: _Head) -> Sequence[Raw] | None:
    """What a list holds, nothing where it says null, as an empty one may; None where it is no list."""
    is_list = head.kind.endswith("List") and (
        head.items is not UNSET or (head.api_version, head.kind) == ("v1", "List")
    )
    return (head.items or ()) if is_list else None


def _review(head: _Head, body: bytes, namespace: str) -> bytes:
    group, _, version = head.api_version.rpartition("/")
    metadata = head.metadata or _Metadata()
    request = {
        "uid": "check",
        "kind": {"group": group, "version": version, "kind": head.kind},
        "name": metadata.name or "",
        "namespace": metadata.namespace or namespace,
        "operation": "CREATE",
        "userInfo": {},
        "object": Raw(body),
        "dryRun": False,
    }
    return msgspec.json.encode({"apiVersion": _REVIEW_VERSION, "kind": _REVIEW, "request": request})
