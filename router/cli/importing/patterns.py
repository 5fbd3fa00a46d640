"""What a pattern of Connaisseur's means, written as ours. Pure.

Their `*` is any text, slashes, colons and `@` included, and every pattern begins and ends with one, written or not.

Rules:
(1) `*` in a name becomes `**`. `:*` at the end says nothing and is left out.
(2) The star at the end that nobody wrote is written: `x/app` is `x/app**`, `:v1` is `:v1*`. A tag is followed by `@*`
    where signatures are asked for, since theirs matched with a digest, too.
(3) The star at the beginning that nobody wrote is not: `*registry.example/app` is also whatever stands below
    `evil.example/registry.example/`. Where the pattern begins with no registry it is said.
(4) `?`, `[...]`, `{...}` and escapes have no counterpart.

Source: Connaisseur 3.x, internal/config, `MatchingRule`; gobwas/glob without separators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.hosts import is_host
from router.policy.pattern import Pattern

_OTHER_GLOBS = re.compile(r"[?\[\]{}\\!]")
_WHOLE_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Converted:
    """A pattern of ours, and whether it matches less than theirs."""

    pattern: Pattern
    is_narrower: bool

    @property
    def registry(self) -> str | None:
        """The one registry that it is about; None where there may be several."""
        return self.pattern.registry


def converted(text: str, *, is_verifying: bool) -> Converted:
    """The pattern as ours.

    Raises:
        ValueError: There is none that means it; the text says why.
    """
    if _OTHER_GLOBS.search(text) is not None:
        raise ValueError("patterns have no wildcards but `*`; write a rule for each form")
    if not text:
        raise ValueError("there is no pattern")
    path, slash, last = text.rpartition("/")
    rest, at, digest = last.partition("@")
    name, colon, tag = rest.partition(":")
    if not slash and not at and tag.isdecimal() and is_host(name):  # a registry with its port
        name, colon, tag = rest, "", ""
    ours = _STARS.sub("**", path + slash + name)
    tag, digest = _STARS.sub("*", tag), _STARS.sub("*", digest)
    if at:
        ours += (
            (f":{tag}" if colon and tag != "*" else "")
            + "@"
            + (digest if _WHOLE_DIGEST.fullmatch(digest) else _open(digest))
        )
    elif colon and _open(tag) != "*":
        ours += f":{_open(tag)}" + ("@*" if is_verifying else "")
    elif not colon and not ours.endswith("**"):
        ours += "**"
    first = text.partition("/")[0]
    begins_anywhere = text.startswith("*")
    return Converted(Pattern.parse(ours), not begins_anywhere and not is_host(first.rstrip("*") if slash else ""))


def _open(text: str) -> str:
    return text if text.endswith("*") else f"{text}*"


def components(text: str) -> int:
    """By how many their most specific pattern is chosen first."""
    return text.count("/") + 1
