"""Which exemption lets in an image that fails. Pure.

Rules:
(1) An exemption speaks for the images that its pattern names (as a rule's does), in the namespaces that its globs name,
    until its end and not at it. What stands in a text that can't be a namespace's name is never exempt.
(2) It covers whatever fails: no signature, none that is trusted, what could not be checked, what a rule refuses, what
    no rule names, what was not pinned. Whoever may push could bring about any of these instead of another. The one
    exception is `invalid`, the sign of an attack: only an exemption with `even_invalid` covers that.
(3) Of several that speak for an image, the one that ends last counts, so that what is told of its end is true.
(4) Nothing is asked less of an image because it may be exempt: whoever finds out what it is does not know exemptions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from router.images import ImageReference
from router.policy.enforcement import is_namespace
from router.policy.matching import FirstMatch, Shape, expression
from router.policy.pattern import ImagePattern
from router.policy.settings import ExemptionSettings


class Exemptions:
    """The exemptions of one configuration."""

    def __init__(self, settings: Sequence[ExemptionSettings], now: Callable[[], float]) -> None:
        """Compile them; `now` gives the time of day in seconds since 1970."""
        self._now = now
        lasting = sorted(settings, key=lambda one: one.until, reverse=True)
        self._any = _Asked(lasting)
        self._even_invalid = _Asked([one for one in lasting if one.even_invalid])
        self._is_empty = not settings
        self._namespaces = FirstMatch([(glob, "") for one in lasting for glob in one.namespaces])

    def concern(self, namespace: str) -> bool:
        """Whether any of them, in force or not, is about this namespace."""
        return not self._is_empty and is_namespace(namespace) and self._namespaces.find(namespace) is not None

    def find(self, image: ImageReference, namespace: str, *, is_invalid: bool) -> ExemptionSettings | None:
        """The exemption in force that lets in this image, which fails there; None where there is none.

        Args:
            image: Its normalised reference.
            namespace: Where it would run.
            is_invalid: Whether it has a signature that is broken, or of something else.
        """
        if not is_namespace(namespace):
            return None
        found = (self._even_invalid if is_invalid else self._any).first(image, namespace)
        return found if found is not None and self._now() < found.until else None


class _Asked:
    """Exemptions in their order, asked for the first that speaks for an image somewhere."""

    def __init__(self, settings: Sequence[ExemptionSettings]) -> None:
        self._settings = settings
        self._matcher = FirstMatch([_shape(one) for one in settings])

    def first(self, image: ImageReference, namespace: str) -> ExemptionSettings | None:
        tag = "" if image.tag is None else f":{image.tag}"
        digest = "" if image.digest is None else f"@{image.digest}"
        found = self._matcher.find(f"{image.name} {tag} {digest} {namespace}")
        return None if found is None else self._settings[found]


def _shape(one: ExemptionSettings) -> Shape:
    pattern = ImagePattern.parse(one.pattern)
    namespaces = "|".join(expression(glob) for glob in one.namespaces)
    return pattern.name.text, f"{pattern.ending} (?:{namespaces})"
