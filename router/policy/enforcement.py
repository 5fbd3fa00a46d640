"""Whether a namespace blocks. Pure.

The most specific pattern (most literal characters, then the order of the file) decides, where none matches the
default; `never_block` outranks everything. `*` alone matches cluster-scoped objects, too. What was found for a
namespace is remembered.
"""

from __future__ import annotations

from router.policy.glob import Glob
from router.policy.settings import EnforcementSettings
from router.verdict import Mode

REMEMBERED = 4096
"""Namespaces whose mode is remembered."""


class Enforcement:
    """The modes of namespaces."""

    def __init__(self, settings: EnforcementSettings) -> None:
        self.default = settings.default
        by_literals = sorted(settings.namespaces.items(), key=lambda item: len(item[0].replace("*", "")), reverse=True)
        # Sorting is stable in both directions: of equally specific patterns the first in the file stays first.
        self._modes = [(Glob(pattern), mode) for pattern, mode in by_literals]
        self._never = [Glob(pattern) for pattern in settings.never_block]
        self._remembered: dict[str, tuple[Mode, bool]] = {}

    def mode(self, namespace: str) -> Mode:
        """What holds there, `never_block` aside; the namespace of a cluster-scoped object is empty."""
        return self._found(namespace)[0]

    def never_blocks(self, namespace: str) -> bool:
        """Whether nothing there may ever be refused."""
        return self._found(namespace)[1]

    def _found(self, namespace: str) -> tuple[Mode, bool]:
        try:
            return self._remembered[namespace]
        except KeyError:
            pass
        mode = next((mode for glob, mode in self._modes if glob.matches(namespace)), self.default)
        found = mode, any(glob.matches(namespace) for glob in self._never)
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        self._remembered[namespace] = found
        return found
