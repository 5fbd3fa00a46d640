"""Globs: what they match, and whether one matches all that another does. Pure.

Rules:
(1) `*` is any text without `/`, `**` is any text, both may be empty; everything else is itself. A glob matches whole
    texts only.
(2) Matching is a bit-parallel run of the glob's automaton (Baeza-Yates and Gonnet, "A new approach to text
    searching", 1992): one pass over the text, whatever the wildcards. A regular expression would try `[^/]*a[^/]*a...`
    in polynomially many ways, and the text is chosen by whoever deploys.
(3) `covers` walks both automata side by side over the texts that there can be. "Covers" is always true; "does not" may
    be unknown: it gives up beyond `PAIRS_LIMIT` states, and takes a glob without wildcards for a text that can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PAIRS_LIMIT = 5000
"""Pairs of states that `covers` visits at most."""

_MANY_STARS = re.compile(r"\*\*+")
_OTHER = "\0"
"""Stands for every character that neither of two globs names."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts that there can be, as an automaton over "is it a slash"; it starts in state 0."""

    follows: Mapping[tuple[int, bool], int]
    final: int


NAMES = Texts({(0, False): 1, (1, False): 1, (1, True): 2, (2, False): 3, (3, False): 3, (3, True): 2}, 3)
"""Image names: a registry and one or more path parts, none of them empty."""
WORDS = Texts({(0, False): 1, (1, False): 1}, 1)
"""Tags and digests: not empty, without a slash."""


class _Automaton:
    """One bit per position in a glob; a position at a wildcard may stay there."""

    __slots__ = ("_any", "_final", "_literals", "_wild", "start")

    def __init__(self, text: str) -> None:
        self._literals: dict[str, int] = {}
        self._any = part = 0
        state = 1
        for token in _tokens(text):
            if token == "**":  # noqa: S105 - a wildcard
                self._any |= state
            elif token == "*":  # noqa: S105 - a wildcard
                part |= state
            else:
                self._literals[token] = self._literals.get(token, 0) | state
            state <<= 1
        self._wild = self._any | part
        self._final = state
        self.start = self._entered(1)

    def after(self, states: int, character: str) -> int:
        """The positions after one more character; 0 where there are none."""
        stays = self._any if character == "/" else self._wild
        return self._entered((states & self._literals.get(character, 0)) << 1 | states & stays)

    def accepts(self, states: int) -> bool:
        """Whether the text may end here."""
        return bool(states & self._final)

    def _entered(self, states: int) -> int:
        # A wildcard may stand for nothing; no two stand side by side, so one step is enough.
        return states | (states & self._wild) << 1


class Glob:
    """A compiled glob."""

    __slots__ = ("_prefix", "_rest", "text")

    def __init__(self, text: str) -> None:
        self.text = _MANY_STARS.sub("**", text)
        """With `***` and more as `**`, which they mean."""
        self._prefix, star, _ = self.text.partition("*")
        self._rest = _Automaton(self.text[len(self._prefix) :]) if star else None

    def matches(self, text: str) -> bool:
        """Whether the whole text is one that the glob describes."""
        if not text.startswith(self._prefix):
            return False
        if self._rest is None:
            return len(text) == len(self._prefix)
        rest, states = self._rest, self._rest.start
        for character in text[len(self._prefix) :]:
            states = rest.after(states, character)
            if not states:
                return False
        return rest.accepts(states)

    @property
    def is_literal(self) -> bool:
        """Whether it matches one text only."""
        return self._rest is None

    @property
    def literals(self) -> str:
        """Its characters without the wildcards."""
        return self.text.replace("*", "")

    def covers(self, other: Glob, texts: Texts) -> bool:
        """Whether it matches each of these texts that the other matches."""
        if self.text == other.text:
            return True
        if other.is_literal:
            return self.matches(other.text)
        letters = {*self.text, *other.text, "/", _OTHER} - {"*"}
        wide, narrow = _Automaton(self.text), _Automaton(other.text)
        start = (wide.start, narrow.start, 0)
        seen, left = {start}, [start]
        while left:
            wide_at, narrow_at, text_at = left.pop()
            if text_at == texts.final and narrow.accepts(narrow_at) and not wide.accepts(wide_at):
                return False
            for letter in letters:
                text_after = texts.follows.get((text_at, letter == "/"))
                narrow_after = narrow.after(narrow_at, letter)
                if text_after is None or not narrow_after:
                    continue
                after = (wide.after(wide_at, letter), narrow_after, text_after)
                if after in seen:
                    continue
                if len(seen) >= PAIRS_LIMIT:
                    return False
                seen.add(after)
                left.append(after)
        return True


def _tokens(text: str) -> Iterator[str]:
    index = 0
    while index < len(text):
        size = 2 if text.startswith("**", index) else 1
        yield text[index : index + size]
        index += size
