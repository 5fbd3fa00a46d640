"""Which of many patterns speaks for an image first. Pure.

Rules:
(1) The order is specificity (`ImagePattern.specificity`), then the given one.
(2) A pattern is filed under the literal path parts that it begins with (`registry.example/shop` for
    `registry.example/shop/*`), none for one that begins with a wildcard. An image is looked up under every such
    beginning of its name, so that a policy of thousands of rules costs an image those that begin as it does.
(3) What is filed in one place is matched at once (`FirstMatch`), tag and digest in the same go: the text is what
    follows of the name, a space, `:TAG` or nothing, a space, `@DIGEST` or nothing.
(4) Places where the same follows share one matcher.

Nothing is remembered: whoever deploys chooses names, could fill every memory, and push others' names out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from router.images import ImageReference
from router.policy.matching import FirstMatch, Shape
from router.policy.pattern import ImagePattern


@dataclass(slots=True)
class _Filed:
    """The patterns of one place, most specific first."""

    ranks: list[int]
    shapes: list[Shape]


class Ranking:
    """Patterns in their order."""

    def __init__(self, patterns: Sequence[ImagePattern]) -> None:
        """Take the patterns, in the order of the file."""
        self._order = sorted(range(len(patterns)), key=lambda index: patterns[index].specificity, reverse=True)
        filed: dict[str, _Filed] = {}
        for rank, index in enumerate(self._order):
            beginning, shape = _filed(patterns[index])
            place = filed.setdefault(beginning, _Filed([], []))
            place.ranks.append(rank)
            place.shapes.append(shape)
        matchers: dict[tuple[Shape, ...], FirstMatch] = {}
        for place in filed.values():
            if (shapes := tuple(place.shapes)) not in matchers:
                matchers[shapes] = FirstMatch(shapes)
        self._places = {beginning: (matchers[tuple(one.shapes)], one.ranks) for beginning, one in filed.items()}
        self._depth = max((beginning.count("/") + 1 for beginning in filed), default=0)

    def first(self, image: ImageReference) -> int | None:
        """The index of the pattern that speaks for this image, or None."""
        tag = "" if image.tag is None else f":{image.tag}"
        following = f"{image.name} {tag} {'' if image.digest is None else f'@{image.digest}'}"
        best = len(self._order)
        for beginning in self._beginnings(image.name):
            if (place := self._places.get(beginning)) is None:
                continue
            matcher, ranks = place
            if ranks[0] < best and (found := matcher.find(following[len(beginning) :])) is not None:
                best = min(best, ranks[found])
        return self._order[best] if best < len(self._order) else None

    def _beginnings(self, name: str) -> Iterator[str]:
        yield ""
        end = 0
        for _ in range(self._depth):
            end = name.find("/", end + 1)
            if end < 0:
                yield name
                return
            yield name[:end]


def _filed(pattern: ImagePattern) -> tuple[str, Shape]:
    """Where a pattern is filed, and what must follow there."""
    parts = pattern.name.text.split("/")
    literal = next((index for index, part in enumerate(parts) if "*" in part), len(parts))
    beginning = "/".join(parts[:literal])
    return beginning, (pattern.name.text[len(beginning) :], pattern.ending)
