"""What a receiver said, as it may be shown: it may repeat what it was sent, and choose every byte. Pure.

Rules:
(1) Of one line, without what can't be seen (`router.text`), and at most `WORDS_LIMIT` characters.
(2) Wherever `GRAM` characters in a row are also in a secret of its destination, they are left out, in whatever case,
    so that half a token is not shown either; the same holds of a secret as URLs and JSON have it (`encodings.echoes`).
    That comes before the cut, which would hide where a secret begins. What is shorter than `GRAM` is found everywhere
    and keeps nothing secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from router.by_reference import Secret
from router.destinations.encodings import echoes
from router.destinations.settings import CommonSettings, HttpSettings, revealed
from router.outbound.basic import basic_credentials
from router.text import is_seen

WORDS_LIMIT = 200
"""Characters that are kept."""
READ_LIMIT = 1024
"""Bytes of a refusal that are read for its words."""
GRAM = 6
"""Characters in a row that a text and a secret have in common before they count as a part of it."""
REDACTED = "[redacted]"


def secrets_of(settings: HttpSettings) -> frozenset[str]:
    """What the receiver may have been sent and nobody else may see.

    Path and query of every URL, every reference, and each with every other text of the settings as Basic encodes them:
    one of those is the user; all of it in every form in which it may come back.
    """
    found = {url.partition("://")[2].partition("/")[2] for url in settings.endpoints} | {revealed(settings.proxy)}
    secrets = references_of(settings)
    found |= secrets
    found |= {
        basic_credentials(user, secret) for user in _values(settings) if isinstance(user, str) for secret in secrets
    }
    found |= {one.reveal() for one in settings.secrets.values()}
    plain = {text for one in found for text in (one, unquote(one)) if len(text) >= GRAM}
    return frozenset(echo for text in plain for echo in echoes(text))


def references_of(settings: CommonSettings) -> frozenset[str]:
    """What the settings hold by reference."""
    return frozenset(hidden for one in _values(settings) if isinstance(one, Secret) for hidden in one.hidden)


def _values(settings: CommonSettings) -> Sequence[object]:
    return [one for value in dict(settings).values() for one in _parts(value)]


def _parts(value: object) -> Iterable[object]:
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case _:
            return (value,)


class Words:
    """Makes words fit to be shown, for one destination."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._grams = frozenset(
            secret[start : start + GRAM].lower() for secret in secrets for start in range(len(secret) - GRAM + 1)
        )

    def shown(self, text: str) -> str:
        """What may be shown of it."""
        text = " ".join("".join(one if is_seen(one) else " " for one in text[:READ_LIMIT]).split())
        return self._redacted(text)[:WORDS_LIMIT]

    def _redacted(self, text: str) -> str:
        folded = "".join(one.lower() if len(one.lower()) == 1 else one for one in text)  # of the same length
        is_secret = bytearray(len(text))
        for start in range(len(folded) - GRAM + 1):
            if folded[start : start + GRAM] in self._grams:
                is_secret[start : start + GRAM] = b"\1" * GRAM
        parts = list[str]()
        for index, character in enumerate(text):
            if not is_secret[index]:
                parts.append(character)
            elif not (index and is_secret[index - 1]):
                parts.append(REDACTED)
        return "".join(parts)
