"""Whether a namespace blocks. Pure.

Rules:
(1) The most specific pattern (most literal characters, then the order of the file) decides, where none matches the
    default; `never_block` outranks everything. `*` alone matches cluster-scoped objects, too.
(2) A text that can't be a namespace's name (more than 253 characters, or others than a-z 0-9 . -) is compared with
    nothing: only what is said of everything holds for it, `*` alone or the default. Kubernetes has no such namespace,
    so it is in nobody's list; and it may have millions of characters.

Nothing is remembered: to find the mode costs little, and whoever asks chooses the names.
"""

from __future__ import annotations

import re

from router.policy.matching import FirstMatch
from router.policy.settings import EnforcementSettings
from router.verdict import Mode

NAMESPACE_LIMIT = 253
"""Characters of a name in Kubernetes; of a namespace's even fewer (63)."""

_NAMESPACE = re.compile(r"[a-z0-9.-]*", re.ASCII)


class Enforcement:
    """The modes of namespaces."""

    def __init__(self, settings: EnforcementSettings) -> None:
        self.default = settings.default
        ranked = sorted(settings.namespaces.items(), key=lambda item: len(item[0].replace("*", "")), reverse=True)
        # Sorting is stable in both directions: of equally specific patterns the first in the file stays first.
        self._modes = [mode for _, mode in ranked]
        self._named = FirstMatch([(pattern, "") for pattern, _ in ranked])
        self._never = FirstMatch([(pattern, "") for pattern in settings.never_block])
        self._elsewhere = next((mode for pattern, mode in ranked if _is_everything(pattern)), self.default)
        self._never_elsewhere = any(map(_is_everything, settings.never_block))

    def mode(self, namespace: str) -> Mode:
        """What holds there, `never_block` aside; the namespace of a cluster-scoped object is empty."""
        if not is_namespace(namespace):
            return self._elsewhere
        found = self._named.find(namespace)
        return self.default if found is None else self._modes[found]

    def never_blocks(self, namespace: str) -> bool:
        """Whether nothing there may ever be refused."""
        return self._never.find(namespace) is not None if is_namespace(namespace) else self._never_elsewhere


def is_namespace(text: str) -> bool:
    """Whether this can be the name of a namespace; cluster-scoped objects have the empty one."""
    return len(text) <= NAMESPACE_LIMIT and _NAMESPACE.fullmatch(text) is not None


def _is_everything(pattern: str) -> bool:
    return not pattern.strip("*")
