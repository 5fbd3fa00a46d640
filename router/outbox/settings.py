"""What an operator says about the outbox."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from router.by_reference import shown_name
from router.fields import Duration, OnlyAtStart, SettingsModel, Size, reading_context

SCHEME = "sqlite:///"
_BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
"""Of any URL (RFC 3986, clause 3.1). What else stands there may be a password."""


def _is_sqlite(url: str, info: ValidationInfo) -> str:
    if not url.startswith(SCHEME) or len(url) == len(SCHEME):
        said = shown_name("".join(url.partition("://")[:2]), _BEGINNING, "beginning of a URL")
        raise ValueError(f"{said} is not an outbox that we know; write sqlite:///PATH, such as sqlite:///outbox.db")
    context = reading_context(info)
    return url if context is None else f"{SCHEME}{context.folder / url.removeprefix(SCHEME)}"


class OutboxSettings(SettingsModel):
    """Where events are kept between decision and receipt."""

    url: Annotated[str, AfterValidator(_is_sqlite), OnlyAtStart()]
    """`sqlite:///PATH`: a file, relative to the configuration; `sqlite:////PATH` with four slashes is absolute. It
    needs a local disk that keeps what it flushed; no network file system. A change needs a restart."""
    keep: Duration = 30 * 86400.0
    """How long events are kept after everybody has received them; undelivered ones are kept until they are settled."""
    keep_set_aside: Duration = 90 * 86400.0
    """How long deliveries are kept that were set aside, so that they can be replayed; it is told 7 days before."""
    max_size: Size | None = None
    """How large the outbox may grow. Above it the oldest events go that everybody has, then events of severity `info`,
    those last that the collector of incidents does not have;
    what is more severe and not delivered is kept. By default 80 % of what it has and its disk has free."""
    required: bool = False
    """Whether, in enforce mode, a request is refused whose event can't be stored. False: the verdict alone decides,
    and the event is written to the log as a whole."""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.url.removeprefix(SCHEME))
