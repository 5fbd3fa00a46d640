"""By what images are judged at a terminal: a configuration file, or flags alone.

Rules:
(1) Flags make a configuration of one verifier and one rule for every image, enforced everywhere. It is checked as a
    file is; there is no second meaning of anything.
(2) Either flags or `--config`: what a file says is not changed by a flag.
(3) What is wrong with flags is wrong with the command line; a file that can't be used leaves open what is asked.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.answering import forms
from router.cli.parsing import DEFAULT_CONFIG, duration
from router.errors import ConfigurationError, MisusedError
from router.text import shown

if TYPE_CHECKING:
    from router.settings.judging import JudgedBy
    from router.settings.problems import Plain

TIMEOUT = "30s"
"""The time for each image or object, unless something else is said."""
LONGEST = 3600.0
"""Seconds that may be said."""
_NAME = "command-line"
_COSIGN = (
    "key", "issuer", "issuer_regex", "subject", "subject_regex", "trust_root", "transparency_log", "sct",
    "attestation", "where", "signature_repository", "timestamp",
)  # fmt: skip
_NOTATION = ("trust_store", "tsa", "identity", "level")
_DEMANDS = ("threshold", "annotation")
_REGISTRIES = ("plain_http", "registry_ca", "credentials")


def add(parser: argparse.ArgumentParser) -> None:
    """The options that say by what is judged, and how answers are shown."""
    parser.add_argument("--config", type=Path, help=f"judge by this configuration (default: {DEFAULT_CONFIG})")
    parser.add_argument(
        "--timeout",
        metavar="DURATION",
        type=_timeout,
        default=TIMEOUT,
        help="for each, at most 1h (default: %(default)s)",
    )
    forms(parser, is_live=False)
    _add_cosign(parser.add_argument_group("instead of --config: cosign"))
    _add_notation(parser.add_argument_group("instead of --config: Notation"))
    _add_registries(parser.add_argument_group("beside such flags: registries"))


def _add_cosign(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--key", metavar="FILE", action="append", help="a public key in PEM; may be repeated")
    group.add_argument("--issuer", metavar="TEXT", help="who vouches for the identity, equal")
    group.add_argument("--issuer-regex", metavar="RE2", help="the same, as an expression that must match in full")
    group.add_argument("--subject", metavar="TEXT", help="the identity that signed, equal")
    group.add_argument("--subject-regex", metavar="RE2", help="the same, as an expression that must match in full")
    group.add_argument("--trust-root", metavar="FILE", help="trusted_root.json; default: Sigstore's public instance")
    required = ("required", "ignore")
    group.add_argument("--transparency-log", choices=required, help="default: required for identities")
    group.add_argument("--timestamp", choices=("required", "if_present"), help="default: if_present")
    group.add_argument("--sct", choices=required, help="default: required for identities")
    group.add_argument("--attestation", metavar="TYPE", help="ask for an attestation of this predicate type")
    group.add_argument("--where", metavar="CEL", help="what the attestation must say")
    group.add_argument("--signature-repository", metavar="REPOSITORY", help="where signatures lie")
    group.add_argument("--threshold", type=int, metavar="N", help="how many different signers (default: 1)")
    group.add_argument("--annotation", metavar="NAME=VALUE", action="append", type=_pair, help="what one must say")


def _add_notation(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--trust-store", metavar="FILE", action="append", help="certificates of a CA; may be repeated")
    group.add_argument("--tsa", metavar="FILE", action="append", help="certificates of a timestamp authority")
    group.add_argument("--identity", metavar="NAME", action="append", help='"x509.subject: ..." (default: "*")')
    group.add_argument("--level", choices=("strict", "permissive", "audit"), help="default: strict")


def _add_registries(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--plain-http", metavar="HOST", action="append", help="this registry speaks HTTP without TLS")
    group.add_argument("--registry-ca", metavar="HOST=FILE", action="append", type=_pair, help="its CAs, in PEM")
    group.add_argument("--credentials", metavar="HOST=FILE", action="append", type=_pair, help="a docker config.json")


def judged_by(arguments: argparse.Namespace) -> JudgedBy:
    """What is judged by.

    Raises:
        ConfigurationError: The configuration can't be used.
        MisusedError: The flags can't be, or both are given.
    """
    from router.settings import judging  # noqa: PLC0415 - the settings are imported only where they are read

    said = _said(arguments, (*_COSIGN, *_NOTATION, *_DEMANDS, *_REGISTRIES))
    if said and arguments.config is not None:
        raise MisusedError(f"--config and {said[0]} exclude each other: a file says everything, or flags do")
    if said:
        try:
            return judging.said(_document(arguments))
        except ConfigurationError as error:
            raise MisusedError(str(error)) from error
    path = arguments.config or DEFAULT_CONFIG
    if arguments.config is None and not path.exists():
        raise ConfigurationError(f"there is no {path}; give --config FILE, or --key FILE, or --issuer and --subject")
    return judging.load(path, os.environ)


def _said(arguments: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """The flags of these names that are given."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is not None]


def _document(arguments: argparse.Namespace) -> dict[str, Plain]:
    cosign, notation = _said(arguments, _COSIGN), _said(arguments, _NOTATION)
    if cosign and notation:
        raise MisusedError(f"{cosign[0]} is cosign's and {notation[0]} Notation's: one of them verifies an image")
    demands: dict[str, Plain] = {}
    if arguments.threshold is not None:
        demands["threshold"] = arguments.threshold
    if arguments.annotation is not None:
        demands["annotations"] = dict(arguments.annotation)
    return {
        "cluster": _NAME,
        "enforcement": {"default": "enforce"},
        "registries": _registries(arguments),
        "verifiers": [_notation(arguments) if notation else _cosign(arguments)],
        "policy": [{"pattern": "**", "verifier": _NAME, "with": demands}],
    }


def _cosign(arguments: argparse.Namespace) -> dict[str, Plain]:
    if arguments.key is None and not _said(arguments, ("issuer", "issuer_regex", "subject", "subject_regex")):
        raise MisusedError("nobody is trusted yet: give --key FILE, or --issuer and --subject")
    verifier: dict[str, Plain] = {"name": _NAME, "kind": "cosign"}
    if arguments.key is not None:
        verifier["keys"] = [{"name": name, "file": file} for name, file in _named(arguments.key)]
    identity = {
        name: value
        for name in ("issuer", "issuer_regex", "subject", "subject_regex")
        if (value := getattr(arguments, name)) is not None
    }
    if identity:
        verifier["keyless"] = [{"name": "identity", **identity}]
    if arguments.trust_root is not None:
        verifier["trust_root"] = {"file": arguments.trust_root}
    if arguments.attestation is not None or arguments.where is not None:
        attested = {"predicate_type": arguments.attestation, "where": arguments.where}
        verifier["attestation"] = {name: value for name, value in attested.items() if value is not None}
    for name in ("transparency_log", "timestamp", "sct", "signature_repository"):
        if (value := getattr(arguments, name)) is not None:
            verifier[name] = value
    return verifier


def _notation(arguments: argparse.Namespace) -> dict[str, Plain]:
    stores: list[Plain] = [
        {"name": name, "type": type_, "file": file}
        for type_, files in (("ca", arguments.trust_store), ("tsa", arguments.tsa))
        for name, file in _named(files or [])
    ]
    verifier: dict[str, Plain] = {"name": _NAME, "kind": "notation", "trust_stores": stores}
    verifier["identities"] = arguments.identity or ["*"]
    if arguments.level is not None:
        verifier["level"] = arguments.level
    return verifier


def _registries(arguments: argparse.Namespace) -> list[Plain]:
    found: dict[str, dict[str, Plain]] = {}
    for host in arguments.plain_http or ():
        found.setdefault(host, {"host": host})["plain_http"] = True
    for host, file in arguments.registry_ca or ():
        found.setdefault(host, {"host": host})["ca"] = file
    for host, file in arguments.credentials or ():
        found.setdefault(host, {"host": host})["credentials"] = {"file": file}
    return list(found.values())


def _named(files: list[str]) -> Iterator[tuple[str, str]]:
    """Each file with a name made of its own, no name twice."""
    taken: set[str] = set()
    for number, file in enumerate(files, 1):
        plain = re.sub(r"[^a-z0-9]+", "-", Path(file).stem.lower()).strip("-")[:50].strip("-")
        name = f"signer-{number}" if not plain or plain in taken else plain
        taken.add(name)
        yield name, file


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise argparse.ArgumentTypeError(f"{shown(text, 100)} is no NAME=VALUE")
    return name, value


def _timeout(text: str) -> float:
    if (seconds := duration(text)) > LONGEST:
        raise argparse.ArgumentTypeError(f"{shown(text, 100)} is more than 1h")
    return seconds
