from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr, TypeAdapter, model_validator

from router.by_reference import Secret
from router.fields import Duration, Name, Network, ReadingContext, SettingsModel
from router.settings import shape
from router.settings.problems import Plain, path_text
from router.settings.validating import validated


class Colour(enum.StrEnum):
    """A closed set."""

    RED = "red"
    GREEN = "green"


class Leaf(SettingsModel):
    """Bounds of every kind."""

    name: Name = "leaf"
    size: Annotated[int, Field(gt=1, lt=10)] = 2
    share: Annotated[float, Field(le=1)] = 0.5
    code: Annotated[str, Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "abc"


class Apple(SettingsModel):
    """A member of a union."""

    kind: Literal["apple"]
    weight: int
    """Grams. Without the box."""


class Pear(SettingsModel):
    """Another, with a rule about the whole."""

    kind: Literal["pear", "nashi"]
    leaf: Leaf = Leaf()
    url: str = ""
    plain: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> Pear:
        if self.url.startswith("http:") and not self.plain:
            raise ValueError("an http:// URL needs `plain: true`")
        if self.url == "nowhere":
            raise ValueError('"nowhere" leads nowhere')
        if self.url == "odd":
            raise ValueError("the url is odd")
        if self.url == "silent":
            raise ValueError("something is wrong")
        return self


Fruit = Annotated[Apple | Pear, Field(discriminator="kind")]


class Tree(SettingsModel):
    """Every shape that settings have."""

    fruits: tuple[Fruit, ...] = ()
    colour: Colour = Colour.RED
    leaf: Literal["none"] | Leaf = "none"
    token: Secret | None = None
    hidden: SecretStr | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    by_name: dict[Name, Leaf] = Field(default_factory=dict)
    pair: Annotated[tuple[int, ...], Field(max_length=2)] = ()
    wait: Duration = 1.0
    allow: tuple[Network, ...] = ()
    one: Leaf = Leaf()
    tree: Tree | None = None


def found(data: Plain) -> list[str]:
    """PATH: TEXT of everything that is wrong."""
    reading = ReadingContext(Path("/nowhere"), {}, lambda _path, _limit: b"")
    result = validated(TypeAdapter(Tree), Tree, data, reading)

    assert isinstance(result, list), result
    return [f"{path_text(finding.path)}: {finding.text}" for finding in result]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"colour": "reed"}, 'colour: found "reed"; did you mean "red"? (known: red, green)'),
        ({"colour": 1}, "colour: found 1; expected red or green"),
        (
            {"leaf": "nine"},
            'leaf: found "nine"; did you mean "none"? (known: none), or a map with name, size, share, code',
        ),
        ({"leaf": True}, "leaf: found true; expected none, or a map with name, size, share, code"),
        ({"leaf": {"size": "2"}}, 'leaf.size: found "2"; expected a whole number'),
        ({"leaf": {"size": 1}}, "leaf.size: found 1; expected more than 1"),
        ({"leaf": {"size": 10}}, "leaf.size: found 10; expected less than 10"),
        ({"leaf": {"size": 2.5}}, "leaf.size: found 2.5; expected a whole number"),
        ({"leaf": {"share": 2}}, "leaf.share: found 2; expected at most 1.0"),
        ({"leaf": {"share": "all"}}, 'leaf.share: found "all"; expected a number'),
        ({"leaf": {"code": "a"}}, 'leaf.code: found "a"; expected a text of at least 2 characters'),
        ({"leaf": {"code": "abcde"}}, 'leaf.code: found "abcde"; expected a text of at most 4 characters'),
        ({"leaf": {"code": "A1"}}, 'leaf.code: found "A1"; expected a text of the form ^[a-z]+$'),
        ({"one": []}, "one: found an empty list; expected a map with name, size, share, code"),
        ({"one": None}, "one: found nothing; expected a map with name, size, share, code"),
        ({"pair": [1, 2, 3]}, "pair: found a list; expected at most 2 items"),
        ({"pair": {"a": 1}}, "pair: found a map; expected a list"),
        ({"pair": [True]}, "pair[0]: found true; expected a whole number"),
        ({"headers": ["a"]}, "headers: found a list; expected a map"),
        ({"headers": {"X-Key": 4711}}, "headers.X-Key: found a number; expected a text"),
        ({"headers": {"X-Key": True}}, "headers.X-Key: found true or false; expected a text"),
        ({"hidden": 4711}, "hidden: found a number; expected a text"),
        ({"token": 4711}, "token: found a number; expected a map with file, env"),
        (
            {"token": {"env": "A", "fiel": "b"}},
            'token.fiel: there is no such key; did you mean "file"? (known: file, env)',
        ),
        ({"by_name": {"a": {"sise": 3}}}, "by_name.a.sise: there is no such key; did you mean"),
        ({"by_name": {"A b": {}}}, 'by_name["A b"]: "A b" is not a valid name'),
        (
            {"fruits": [{"kind": "aple", "weight": 1}]},
            'fruits[0].kind: "aple" is not a known kind; did you mean "apple"?',
        ),
        ({"fruits": [{"kind": 3}]}, "fruits[0].kind: found 3; expected one of apple, pear, nashi"),
        ({"fruits": [{}]}, "fruits[0].kind: is missing; expected one of apple, pear, nashi"),
        ({"fruits": ["apple"]}, 'fruits[0]: found "apple"; expected a map with kind (apple, pear, nashi) and more'),
        ({"fruits": [{"kind": "apple"}]}, "fruits[0].weight: is missing; expected Grams"),
        ({"fruits": [{"kind": "nashi", "leaf": {"size": "a"}}]}, "fruits[0].leaf.size: found"),
        ({"fruits": [{"kind": "pear", "url": "http:a"}]}, "fruits[0].url: an http:// URL needs `plain: true`"),
        ({"fruits": [{"kind": "pear", "plain": False, "url": "http:a"}]}, "fruits[0].plain: an http://"),
        ({"fruits": [{"kind": "pear", "url": "nowhere"}]}, 'fruits[0].url: "nowhere" leads nowhere'),
        ({"fruits": [{"kind": "pear", "url": "odd"}]}, "fruits[0].url: the url is odd"),
        ({"fruits": [{"kind": "pear", "leaf": {}, "url": "silent"}]}, "fruits[0]: something is wrong"),
        ({"allow": [10]}, "allow[0]: 10 is not a valid network"),
        ({"tree": {"tree": {"colour": "blue"}}}, 'tree.tree.colour: found "blue"; expected one of red, green'),
        (7, ": found 7; expected a map with fruits, colour"),
    ],
)
def test_an_error_is_told_by_path_found_and_expected(data: Plain, told: str) -> None:
    problems = found(data)

    assert len(problems) == 1, problems
    assert problems[0].startswith(told)


def test_a_misspelt_key_is_told_once_and_not_as_a_missing_one_too() -> None:
    assert found({"fruits": [{"kind": "apple", "wieght": 1}]}) == [
        'fruits[0].wieght: there is no such key; did you mean "weight"? (known: kind, weight)'
    ]


def test_an_unknown_key_hides_no_missing_one() -> None:
    assert [text.split(":")[0] for text in found({"fruits": [{"kind": "apple", "colour": 1}]})] == [
        "fruits[0].weight",
        "fruits[0].colour",
    ]


def test_a_misspelt_kind_hides_nothing_else_in_the_item() -> None:
    problems = found({"fruits": [{"kind": "pera", "plain": 1}, {"kind": "zzz", "plain": 1}]})

    assert [text.split(":")[0] for text in problems] == ["fruits[0].kind", "fruits[1].kind", "fruits[0].plain"]


def test_items_that_are_wrong_are_not_too_few() -> None:
    class Basket(SettingsModel):
        fruits: Annotated[tuple[int, ...], Field(min_length=1)]

    reading = ReadingContext(Path("/nowhere"), {}, lambda _path, _limit: b"")

    def texts(data: Plain) -> list[str]:
        result = validated(TypeAdapter(Basket), Basket, data, reading)
        assert isinstance(result, list)
        return [finding.text for finding in result]

    assert texts({"fruits": ["a"]}) == ['found "a"; expected a whole number']
    assert texts({"fruits": []}) == ["found an empty list; expected at least 1 item"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.sampled_from(["apple", "pear", "red", "none", "1s", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Tree.model_fields, *Pear.model_fields, "weight", "size", "x"]), inner, max_size=5
        )
    ),
    max_leaves=15,
)


@settings(max_examples=150)
@given(JSON)
def test_whatever_stands_there_is_settings_or_findings_at_paths_that_stand_or_lack_one_key(data: Plain) -> None:
    reading = ReadingContext(Path("/nowhere"), {}, lambda _path, _limit: b"x")
    result = validated(TypeAdapter(Tree), Tree, data, reading)

    if isinstance(result, Tree):
        return
    assert result
    for finding in result:
        value = data
        for part in finding.path[:-1]:
            value = value[part]  # type: ignore[index]  # that it stands there is the claim
        assert finding.text


def test_every_value_that_the_schema_takes_is_taken() -> None:
    """Strictly and as JSON: what an editor shows as right is right."""
    data: Plain = {
        "fruits": [{"kind": "apple", "weight": 1}, {"kind": "nashi", "leaf": {"size": 3}}],
        "colour": "green",
        "leaf": {"share": 1},
        "token": {"env": "A"},
        "by_name": {"a": {}},
        "pair": [1, 2],
        "wait": "8s",
        "allow": ["10.0.0.0/8", "::1/128"],
        "tree": {"leaf": "none"},
    }
    result = validated(TypeAdapter(Tree), Tree, data, ReadingContext(Path("/"), {"A": "b"}, lambda _p, _l: b""))

    assert isinstance(result, Tree)
    assert json.loads(result.model_dump_json(exclude_unset=True))["wait"] == "8s"


@pytest.mark.parametrize(
    ("annotation", "part", "value"),
    [(int, "a", {"a": 1}), (list, 0, [1]), (tuple[int, ...], "a", {"a": 1}), (dict[str, int], 0, [1]), (Leaf, "x", {})],
)
def test_where_nothing_is_known_nothing_is_said(
    annotation: shape.TypeAnnotation, part: str | int, value: Plain
) -> None:
    assert shape.member(annotation, part, value) is None
