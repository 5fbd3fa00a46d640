from __future__ import annotations

import pytest

from tests.architecture import generated
from tests.architecture.kinds_table import kind_list


@pytest.mark.parametrize("file", generated.WHOLE)
def test_a_generated_file_is_what_the_code_says(file: str) -> None:
    """Renew it by `python -m tests.architecture.generated`."""
    assert (generated.ROOT / file).read_text() == generated.WHOLE[file]()


@pytest.mark.parametrize(("file", "name"), generated.PARTS)
def test_a_generated_part_is_what_the_code_says(file: str, name: str) -> None:
    """Renew it by `python -m tests.architecture.generated`."""
    text = (generated.ROOT / file).read_text()

    assert generated.with_part(text, name, generated.PARTS[file, name]()) == text


def test_a_kind_leads_to_its_example_and_not_to_who_mentions_it() -> None:
    page = "# Page\n\n## Other\n\nIt runs as `kind: webhook`, too.\n\n## Its own\n\n    kind: webhook\n"

    assert "[`webhook`](#its-own)" in kind_list(page)
