from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from router.settings.problems import Plain
from router.settings.reading import read_document
from router.settings.reference import reference
from router.settings.schema import schema, schema_text
from tests.settings.configurations import SMALL, example

ROOT = Path(__file__).parents[2]


def complaints(text: str) -> list[str]:
    """What an editor would underline."""
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(data(text))]


def data(text: str) -> dict[str, Plain]:
    document, problems = read_document(text.encode())

    assert not problems
    assert document is not None
    return document.data


def test_the_published_schema_is_the_one_of_the_program() -> None:
    """Where this fails: `gatecrier config schema > config/schema/gatecrier.schema.json`."""
    assert (ROOT / "config" / "schema" / "gatecrier.schema.json").read_text() == schema_text()


def test_the_published_reference_is_the_one_of_the_program() -> None:
    """Where this fails: `gatecrier config reference > docs/configuration.md`."""
    assert (ROOT / "docs" / "configuration.md").read_text() == reference()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("text", [SMALL, example(), (ROOT / "config" / "gatecrier.yaml").read_text()])
def test_an_editor_shows_good_configurations_as_good(text: str) -> None:
    assert not complaints(text)


@pytest.mark.parametrize(
    ("found", "written"),
    [
        ("cluster: production-eu", "clutser: production-eu"),
        ("default: detect", "default: detekt"),
        ("deadline: 8s", "deadline: 8"),
        ("pin_digests: true", "pin_digests: 'no'"),
        ("url: {file: slack-url}", "url: https://hooks.slack.com/services/T0/B0/x"),
        ("url: {file: slack-url}", "url: {}"),
        ("kind: slack", "kind: slakc"),
        ("threshold: 2", "threshold: 0"),
        ("policy:", "policy: []\n#"),
    ],
)
def test_an_editor_shows_mistakes_as_mistakes(found: str, written: str) -> None:
    text = example()

    assert found in text
    text = text.replace(found, written, 1)
    if "policy: []" in text:
        text = text.split("policy: []")[0] + "policy: []\n"
    assert complaints(text)


def test_every_setting_says_what_it_means() -> None:
    """The reference and the hints of editors are made of these texts."""
    made: Any = schema()
    silent = [
        f"{name}.{key}"
        for name, model in {"Settings": made, **made["$defs"]}.items()
        for key, part in model.get("properties", {}).items()
        if not part.get("description") and "description" not in made["$defs"].get(part.get("$ref", "")[8:], {})
    ]

    assert not silent


def test_defaults_are_written_as_an_operator_would_write_them() -> None:
    made: Any = schema()

    webhook = made["$defs"][made["properties"]["webhook"]["$ref"].rpartition("/")[2]]["properties"]

    assert (webhook["deadline"]["default"], webhook["max_body"]["default"]) == ("8s", "32MiB")


def test_every_default_may_be_written() -> None:
    made: Any = schema()
    defaults = [
        (f"{name}.{key}", part)
        for name, model in {"Settings": made, **made["$defs"]}.items()
        for key, part in model.get("properties", {}).items()
        if part.get("default") not in (None, {}, [])
    ]
    wrong = [
        name
        for name, part in defaults
        if not jsonschema.Draft202012Validator(part | {"$defs": made["$defs"]}).is_valid(part["default"])
    ]

    assert len(defaults) > 50
    assert not wrong


def test_the_reference_shows_what_a_list_holds_by_default() -> None:
    assert "| `controllers` | list of text | `system:serviceaccount:kube-system:*-controller`," in reference()


def test_every_key_has_a_row_in_the_reference() -> None:
    made: Any = schema()
    page = reference()
    models = [model for model in made["$defs"].values() if model.get("title") != "secret"]  # they are told of once
    keys = {key for model in models for key in model.get("properties", {})}

    assert not [key for key in {*keys, *made["properties"]} if f"| `{key}` |" not in page]
