"""Where the templates that come with the program lie: inside the wheel, or in the checkout that is worked on."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path


def notices_folder() -> Path:
    """The folder of `NAME.json` files for what is told of Gatecrier itself; no operator's folder hides one of them."""
    return shipped_folder() / "notices"


@lru_cache(maxsize=1)
def shipped_folder() -> Path:
    """The folder of `NAME.json` files that every installation has."""
    package = Path(str(resources.files("router")))
    installed = package / "shipped" / "templates"
    return installed if installed.is_dir() else package.parent / "templates"
