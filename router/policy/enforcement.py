"""Whether a namespace blocks: what the file says of it, and what the label says that it bears. Pure.

A namespace is `off`, `detect` or `enforce`, in this order of strictness. `off` is no mode of ours: the API server does
not ask about such a namespace.

Rules:
(1) The most specific pattern (most literal characters, then the order of the file) decides, where none matches the
    default; `never_block` outranks everything. `*` alone matches cluster-scoped objects, too.
(2) A text that can't be a namespace's name (more than 253 characters, or others than a-z 0-9 . -) is compared with
    nothing: only what is said of everything holds for it, `*` alone or the default. Kubernetes has no such namespace,
    so it is in nobody's list; and it may have millions of characters.
(3) The label may only raise what the file says, except where `label_may_lower` names the namespace: there it decides.
(4) What stands in no namespace bears no label: the file decides.

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
        self.label = settings.label
        ranked = sorted(settings.namespaces.items(), key=lambda item: len(item[0].replace("*", "")), reverse=True)
        # Sorting is stable in both directions: of equally specific patterns the first in the file stays first.
        self._modes = [mode for _, mode in ranked]
        self._named = FirstMatch([(pattern, "") for pattern, _ in ranked])
        self._never = FirstMatch([(pattern, "") for pattern in settings.never_block])
        self._elsewhere = next((mode for pattern, mode in ranked if _is_everything(pattern)), self.default)
        self._never_elsewhere = any(map(_is_everything, settings.never_block))
        self._lowered = FirstMatch([(pattern, "") for pattern in settings.label_may_lower])
        self._lowered_elsewhere = any(map(_is_everything, settings.label_may_lower))

    def mode(self, namespace: str, label: Mode | None = None) -> Mode:
        """What holds there, `never_block` aside.

        Args:
            namespace: Empty for a cluster-scoped object.
            label: What the namespace's label says; None where nobody said.
        """
        said = self._said(namespace)
        if label is None or not namespace or label is said:
            return said
        return label if label is Mode.ENFORCE or self._may_be_lowered(namespace) else said

    def _said(self, namespace: str) -> Mode:
        if not is_namespace(namespace):
            return self._elsewhere
        found = self._named.find(namespace)
        return self.default if found is None else self._modes[found]

    def never_blocks(self, namespace: str) -> bool:
        """Whether nothing there may ever be refused."""
        return self._never.find(namespace) is not None if is_namespace(namespace) else self._never_elsewhere

    def _may_be_lowered(self, namespace: str) -> bool:
        return self._lowered.find(namespace) is not None if is_namespace(namespace) else self._lowered_elsewhere


def is_namespace(text: str) -> bool:
    """Whether this can be the name of a namespace; cluster-scoped objects have the empty one."""
    return len(text) <= NAMESPACE_LIMIT and _NAMESPACE.fullmatch(text) is not None


def _is_everything(pattern: str) -> bool:
    return not pattern.strip("*")
