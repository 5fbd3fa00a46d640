"""What the studio's page asks: which templates there are, what one makes of an event, and to keep one.

Rules:
(1) What is shown is what `templates render` prints and `templates lint` says: made by the same code, of the text that
    somebody is writing. Secrets of a destination that is chosen are masked.
(2) A template is kept in the operator's folder under a name that the configuration could say, whole or not at all. No
    other file is read or written by what a page asks. What somebody else has changed meanwhile is not overwritten, and
    neither is what can't be read.
(3) A template that takes long is tried for the chosen event, and for the examples that `PATIENCE` is enough for; the
    answer says whether that was all of them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from router.cli.supposed import FILE_LIMIT, event_of
from router.cli.templates.cuts import values_of
from router.cli.templates.flaws import flaws_of, placed
from router.cli.templates.making import check_purpose, made
from router.cli.templates.shelf import Entry, config_of, shelf, wanted
from router.errors import ConfigurationError, MisusedError, TemplateError
from router.fields import Name
from router.rendering.examples import BY_NAME
from router.rendering.library import NOTICES, SUFFIX
from router.rendering.template import SOURCE_LIMIT
from router.settings.snapshot import read_file
from router.settings.templates_part import directory_of, told_by
from router.text import shown, why_unread
from router.whole_files import write_whole

PATIENCE = 1.0
"""Seconds in which a template is tried for every example, after each thing that is typed."""
_READABLE = 0o644
_Text = Annotated[str, Field(max_length=255)]
_Source = Annotated[str, Field(max_length=SOURCE_LIMIT)]
Object = Mapping[str, object]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class RenderAsked(_Asked):
    """What a template makes of an event."""

    template: _Text
    """The name under which it is known, which says what it is for and how its texts are read."""
    source: _Source
    event: Annotated[str, Field(max_length=FILE_LIMIT)]
    destination: _Text | None = None
    """Who would be sent it; None: nobody in particular."""


class SaveAsked(_Asked):
    """To keep a template."""

    name: Name
    source: _Source
    version: str | None = Field(default=None, max_length=64)
    """Of what it replaces; None where there is to be no such file yet."""


class _Patience:
    """How long examples are tried (3)."""

    def __init__(self) -> None:
        self._until = time.monotonic() + PATIENCE
        self.is_over = False
        """Whether some example was not tried."""

    def has_time(self) -> bool:
        """Whether the next one, too, is to be tried."""
        self.is_over = self.is_over or time.monotonic() >= self._until
        return not self.is_over


class Workshop:
    """What can be asked about the templates of a configuration.

    Args:
        config: The configuration; where none is at its usual place there are the shipped templates alone.
    """

    def __init__(self, config: Path) -> None:
        self._config = config

    def shelf(self) -> Object:
        """Which templates, examples and destinations there are; raises ConfigurationError."""
        config, folder = config_of(self._config), self._folder()
        told = {} if config is None else told_by(config)
        return {
            "templates": [_listed(one) for one in shelf(self._config).values()],
            "examples": {purpose: [*events] for purpose, events in BY_NAME.items()},
            "destinations": [
                {"name": name, "kind": one.kind.name} for name, one in told.items() if one.kind is not None
            ],
            "folder": None if folder is None else str(folder),
        }

    def template(self, name: str) -> Object:
        """The text of a template, and which version of the operator's file that is; raises MisusedError."""
        found = wanted(self._config, name)
        version = self._version(
            name
        )  # first: of what is changed right now it is the old one, and nothing is overwritten
        return {**_listed(found), "source": found.source, "version": version}

    def example(self, name: str) -> Object:
        """An example event; raises MisusedError."""
        for events in BY_NAME.values():
            if name in events:
                return {"event": json.dumps(events[name], indent=2, ensure_ascii=False)}
        raise MisusedError(f"{shown(name)} is no example")

    def rendered(self, asked: RenderAsked) -> Object:
        """The document, what is to be said about it, and what is wrong; a mistake of the author is no error here."""
        template = replace(wanted(self._config, asked.template), draft=asked.source)
        answer: dict[str, object] = {"kind": _kind(template), "body": None, "values": [], "look": [], "notes": []}
        patience = _Patience()
        problems = [*_problems(template, patience)]
        try:
            event = event_of(asked.event, "the event")
            check_purpose(template, event, "the event")
            answer |= self._made(template, event, asked.destination)
        except ValueError as error:
            problems.append(_problem("event", getattr(error.__cause__, "lineno", None), str(error)))
        except MisusedError as error:
            problems.append(_problem("event", None, str(error)))
        except ConfigurationError as error:
            problems.append(_problem("destination", None, str(error)))
        except TemplateError as error:
            line, text = placed(template.name, str(error))
            if not any(one["line"] == line and (one["text"] == text or not one["examples"]) for one in problems):
                problems.append(_problem("template" if line else "event", line, text))
        return {**answer, "problems": problems, "is_tried_for_all": not patience.is_over}

    def _made(self, template: Entry, event: Mapping[str, object], destination: str | None) -> Object:
        config = config_of(self._config)
        if destination is None or config is None:
            done, kind = made(template, event, None), _kind(template)
        else:
            try:
                done, told = made(template, event, (config, destination)), told_by(config).get(destination)
            except MisusedError as error:  # the page names those that there were
                raise ConfigurationError(str(error)) from error
            kind = told.kind.name if told is not None and told.kind is not None else ""
        body = done.body.decode(errors="replace")
        values = [*values_of(done.body)]
        look = values or [*values_of(done.document)]
        return {"kind": kind, "body": body, "values": values, "look": look, "notes": done.notes}

    def saved(self, asked: SaveAsked) -> Object:
        """Keep a template; raises MisusedError where there is no folder, or the file has changed (2)."""
        folder = self._folder()
        if folder is None:
            raise MisusedError("the configuration names no templates.directory to save into; add one")
        if len(text := asked.source.encode(errors="replace")) > SOURCE_LIMIT:
            raise MisusedError(f"a template has at most {SOURCE_LIMIT} bytes; this one has {len(text)}")
        if self._version(asked.name) != asked.version:
            raise MisusedError(f"{asked.name} is not what it was when you opened it; copy your text, and open it anew")
        path = folder / f"{asked.name}{SUFFIX}"
        try:
            folder.mkdir(exist_ok=True)
            write_whole(path, text, _READABLE)
        except OSError as error:
            raise MisusedError(f"{path} can't be written: {error.strerror}") from error
        return {"file": str(path), "version": _version_of(text)}

    def _folder(self) -> Path | None:
        config = config_of(self._config)
        return None if config is None else directory_of(config)

    def _version(self, name: str) -> str | None:
        """What tells the operator's file from one that was changed; None where there is none."""
        folder = self._folder()
        if folder is None or name.startswith(NOTICES):
            return None
        path = folder / f"{name}{SUFFIX}"
        try:
            return _version_of(read_file(path, SOURCE_LIMIT))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise MisusedError(f"{path} can't be read, and so is not overwritten: {why_unread(error)}") from error


def _version_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _listed(template: Entry) -> Object:
    return {
        "name": template.name,
        "origin": "shipped" if template.is_shipped else "directory",
        "purposes": [*template.purposes],
        "used_by": [*template.used_by],
        "can_be_saved": not template.name.startswith(NOTICES),
        "kind": _kind(template),
    }


def _kind(template: Entry) -> str:
    return next(iter(template.kinds), "")


def _problems(template: Entry, patience: _Patience) -> Iterator[dict[str, object]]:
    """What it fails with, for every example that there is time for (3)."""
    for flaw in dict.fromkeys(flaws_of(template, patience.has_time)):
        yield {**_problem("template", flaw.line, flaw.text), "examples": [*flaw.examples]}


def _problem(where: str, line: int | None, text: str) -> dict[str, object]:
    return {"where": where, "line": line, "text": text, "examples": []}
