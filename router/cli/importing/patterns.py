"""What a pattern of Connaisseur's means, written as ours. Pure.

Their `*` is any text, slashes, colons and `@` included. In 3.x every pattern begins and ends with one, written or not;
in 2.x one without a tag ends in `:*`, and nothing else is added.

Rules:
(1) `*` in a name becomes `**`. `:*` at the end says nothing and is left out.
(2) The star at the end that nobody wrote is written: `x/app` is `x/app**`, `:v1` is `:v1*`. A tag that ends in `*` is
    followed by `@*` where signatures are asked for, since theirs matched with a digest, too.
(3) The star at the beginning that nobody wrote is not: `*registry.example/app` is also whatever stands below
    `evil.example/registry.example/`. Where the pattern begins with no registry it is said.
(4) `?`, `[...]`, `{...}` and escapes have no counterpart.

Source: Connaisseur 3.x, internal/config, `MatchingRule`, and gobwas/glob without separators; 2.x,
connaisseur/config.py, `get_policy_rule`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.hosts import is_host
from router.policy.pattern import ImagePattern

_OTHER_GLOBS = re.compile(r"[?\[\]{}\\!]")
_WHOLE_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_STARS = re.compile(r"\*+")


@dataclass(frozen=True, slots=True)
class Converted:
    """A pattern of ours, and whether it matches less than theirs."""

    pattern: ImagePattern
    is_narrower: bool

    @property
    def registry(self) -> str | None:
        """The one registry that it is about; None where there may be several."""
        return self.pattern.registry


def converted(text: str, *, is_verifying: bool, is_open: bool = True) -> Converted:
    """The pattern as ours.

    Args:
        text: Theirs.
        is_verifying: Whether its rule asks for signatures.
        is_open: Whether it begins and ends with stars that nobody wrote, as in 3.x.

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
    tag, digest = _ended(tag, is_open=is_open), _ended(digest, is_open=is_open)
    if at:
        ours += (f":{_STARS.sub('*', rest.partition(':')[2])}" if colon else "") + f"@{digest}"
    elif colon and tag != "*":
        ours += f":{tag}" + ("@*" if is_verifying and tag.endswith("*") else "")
    elif not colon and is_open and not ours.endswith("**"):
        ours += "**"
    first = text.partition("/")[0]
    is_anywhere = is_open and not text.startswith("*") and not is_host(first.rstrip("*") if slash else "")
    return Converted(ImagePattern.parse(ours), is_anywhere)


def _ended(text: str, *, is_open: bool) -> str:
    """A tag or digest with the star that it ends in."""
    shortened = _STARS.sub("*", text)
    is_whole = not is_open or shortened.endswith("*") or _WHOLE_DIGEST.fullmatch(shortened)
    return shortened if is_whole else f"{shortened}*"


def components(text: str) -> int:
    """By how many their most specific pattern is chosen first."""
    return text.count("/") + 1
