from __future__ import annotations

from typing import Annotated

from pydantic import Field

from router.fields import SettingsModel
from router.settings.meanings import meanings_in
from router.settings.tree import Settings


class Common(SettingsModel):
    """What two kinds have."""

    name: str
    """What it is called."""
    size: int
    """How large it is."""


class Own(Common):
    """One of them."""

    size: int
    """How large this one is,
    in bytes."""
    alias: Annotated[str, Field(alias="from")]
    """Whence."""
    silent: int = 0


def test_the_text_beneath_a_field_is_what_it_means() -> None:
    """The nearest counts, and what is inherited counts where nothing nearer is said."""
    assert meanings_in(Own) == {
        "name": "What it is called.",
        "size": "How large this one is,\nin bytes.",
        "alias": "Whence.",
    }


def test_the_whole_configuration_says_what_its_parts_mean() -> None:
    assert meanings_in(Settings).keys() == Settings.model_fields.keys()
