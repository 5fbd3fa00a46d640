"""`gatecrier import`: what another product is told becomes a configuration of ours.

Order: (1) the values are read; (2) everything is converted, in memory; (3) it is written, the configuration last;
(4) it is checked as `config check --offline` does; (5) notes and gaps are told. Nothing that lies there is overwritten.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.exit_codes import NO, YES
from router.cli.parsing import command, group
from router.errors import ConfigurationError, MisusedError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.cli.parsing import Subcommands

_TEXT = """\
Reads the Helm values of Connaisseur 3.x, or 2.x, and writes gatecrier.yaml, templates/ and cas/ into a folder. \
Payload templates are taken from alert_payload_templates/ beside the values, as the chart has it. What has no \
counterpart is a comment at its place, and told on standard error. Secrets are not copied: they become references, and \
comments say how to make their files.

Exit code 0: everything was converted. 1: there are gaps that somebody must close. 2: the command line is wrong, or \
there is a configuration in the folder already. 3: the values can't be read, or nothing can be written."""
_EXAMPLES = """
gatecrier import connaisseur values.yaml
gatecrier import connaisseur values.yaml --output gatecrier
"""
_CONFIGURATION = "gatecrier.yaml"


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    inner = group(
        subcommands,
        "import",
        brief="make a configuration of another product's",
        examples="gatecrier import connaisseur values.yaml --output gatecrier",
    )
    connaisseur = command(
        inner, "connaisseur", brief="make one of Connaisseur's Helm values", text=_TEXT, examples=_EXAMPLES
    )
    connaisseur.add_argument("values", metavar="VALUES", type=Path, help="the values, as YAML")
    connaisseur.add_argument(
        "--output",
        metavar="DIRECTORY",
        type=Path,
        default=Path(),
        help="where to write, made if it is not there (default: here)",
    )
    connaisseur.add_argument(
        "--templates",
        metavar="DIRECTORY",
        type=Path,
        help="the chart's payload templates (default: alert_payload_templates beside the values)",
    )
    connaisseur.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from router.cli.importing.converting import converted_values  # noqa: PLC0415 - imported only where it is run
    from router.cli.importing.values import LARGEST, read_values  # noqa: PLC0415 - the same
    from router.settings.loading import Loaded, attempt_offline  # noqa: PLC0415 - the same

    source: Path = arguments.values
    folder: Path = arguments.templates or source.parent / "alert_payload_templates"
    values = read_values(str(source), _content(source, LARGEST))
    made = converted_values(values, lambda name: _template(folder / f"{name}.json"))
    _write(arguments.output, made.files)
    written = arguments.output / _CONFIGURATION
    for text in made.account.notes:
        _say(f"note: {text}")
    for text in made.account.gaps:
        _say(f"gap: {text}")
    result = attempt_offline(written)
    if not isinstance(result, Loaded):
        _say(f"gap: not valid yet:\n{result.text}")
        return NO
    gaps = len(made.account.gaps)
    print(f"{written}: {f'{gaps} gaps' if gaps != 1 else '1 gap'}, {len(made.files)} files written")
    return NO if gaps else YES


def _content(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as opened:
            content = opened.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > limit:
        raise ConfigurationError(f"{path} can't be read: it has more than {limit} bytes")
    return content


def _template(path: Path) -> str | None:
    """A payload template, as it stands; None where there is none."""
    from router.rendering.template import SOURCE_LIMIT  # noqa: PLC0415 - imported only where it is run

    if not path.is_file():
        return None
    try:
        return _content(path, SOURCE_LIMIT).decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} can't be read: it is not UTF-8") from error


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write new files; the configuration is the last."""
    paths = {folder / name: text for name, text in files.items()}
    if there := [path for path in paths if path.exists()]:
        raise MisusedError(f"{there[0]} lies there already; name another folder with --output, or move it away")
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="") as opened:
                opened.write(text)
    except OSError as error:
        raise ConfigurationError(f"{error.filename or folder} can't be written: {error.strerror}") from error


def _say(text: str) -> None:
    for line in text.splitlines():
        print(one_line(line), file=sys.stderr)
