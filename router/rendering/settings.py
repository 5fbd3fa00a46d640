"""What an operator says about payload templates."""

from __future__ import annotations

from router.by_reference import RelativePath
from router.fields import SettingsModel


class TemplatesSettings(SettingsModel):
    """Where templates are looked for before the shipped ones."""

    directory: RelativePath | None = None
    """A folder of files `NAME.json`; it may be absent, and one of its templates hides a shipped one of that name."""
