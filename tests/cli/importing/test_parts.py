"""Patterns, payloads and YAML, each by itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.importing.patterns import converted
from router.cli.importing.payloads import NotMergedError, may_be_secret, with_fields, with_priority
from router.cli.importing.writing import Noted, YamlTree, yaml_text
from router.images import parse_reference
from router.settings.problems import Plain
from router.settings.reading import read_document

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("*:*", "**"),
        ("*", "**"),
        ("docker.io/library/*:*", "docker.io/library/**"),
        ("registry.example/shop/app:*", "registry.example/shop/app"),
        ("registry.example/shop/app", "registry.example/shop/app**"),
        ("registry.example/shop/", "registry.example/shop/**"),
        ("registry.example:5000/*", "registry.example:5000/**"),
        ("registry.example/app:v1", "registry.example/app:v1*@*"),
        ("registry.example/app:v*", "registry.example/app:v*@*"),
        ("registry.example/*/app:*", "registry.example/**/app"),
        (f"registry.example/app@{DIGEST}", f"registry.example/app@{DIGEST}"),
    ],
)
def test_a_pattern_says_what_theirs_means(theirs: str, ours: str) -> None:
    assert converted(theirs, is_verifying=True).pattern.text == ours


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("*:*", "**"),
        ("registry.example/app", "registry.example/app"),
        ("registry.example/app:v1", "registry.example/app:v1"),
        ("registry.example/*/app:v*", "registry.example/**/app:v*@*"),
    ],
)
def test_the_second_version_adds_no_star_but_the_tag_s(theirs: str, ours: str) -> None:
    assert converted(theirs, is_verifying=True, is_open=False).pattern.text == ours


def test_what_passes_unseen_passes_under_no_digest_beside_its_tag() -> None:
    assert converted("registry.example/app:v1", is_verifying=False).pattern.text == "registry.example/app:v1*"


@pytest.mark.parametrize(
    ("theirs", "image"),
    [
        ("registry.example/shop/*:*", "registry.example/shop/a/b:1"),
        ("registry.example/shop/*:*", f"registry.example/shop/a@{DIGEST}"),
        ("registry.example/shop/app:*", f"registry.example/shop/app:1@{DIGEST}"),
        ("registry.example/app:v1", f"registry.example/app:v1.2@{DIGEST}"),
        ("registry.example/app", "registry.example/app-two:1"),
        ("registry.example/app", "registry.example/app/deep:1"),
        ("bitnami/*:*", "docker.io/bitnami/redis:7"),
    ],
)
def test_what_theirs_matched_is_matched(theirs: str, image: str) -> None:
    assert converted(theirs, is_verifying=True).pattern.matches(parse_reference(image))


def test_nobody_s_registry_stands_before_a_pattern() -> None:
    """Theirs begins with a star that nobody wrote."""
    pattern = converted("registry.example/shop/*:*", is_verifying=True).pattern

    assert not pattern.matches(parse_reference("evil.example/registry.example/shop/app:1"))


@pytest.mark.parametrize(("theirs", "is_narrower"), [("bitnami/*:*", True), ("a.example/*", False), ("*/x:*", False)])
def test_it_is_known_where_that_may_have_been_meant(theirs: str, is_narrower: bool) -> None:  # noqa: FBT001 - a table
    assert converted(theirs, is_verifying=True).is_narrower is is_narrower


@pytest.mark.parametrize("theirs", ["a.example/{x,y}:*", "a.example/?", "a.example/[ab]", "https://a.example/x", ""])
def test_what_has_no_counterpart_is_refused(theirs: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|scheme"):
        converted(theirs, is_verifying=True)


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.lists(st.text()), max_size=4))
def test_fields_are_constants_whatever_stands_in_them(fields: dict[str, Plain]) -> None:
    """Braces in them are no template."""
    made = with_fields('{"a": "{{ cluster }}", "b": {"c": {"d": 1}}}', fields)

    assert json.loads(made) == {"a": "{{ cluster }}", "b": {"c": {"d": 1}}} | fields
    if "a" not in fields:
        made = made.replace("{{ cluster }}", "", 1)
    assert not any(opening in made for opening in ("{{", "{%", "{#"))


@pytest.mark.parametrize("template", ["{{ cloudevent }}", "[]", '{"a": {{ priority }}}', "[" * 100_000])
def test_a_template_that_is_no_json_is_left_to_people(template: str) -> None:
    with pytest.raises(NotMergedError):
        with_fields(template, {"x": 1})


def test_a_priority_is_a_constant() -> None:
    assert with_priority('{"p": "P{{priority}}", "q": {{ priority }}}', 2) == '{"p": "P2", "q": 2}'


@pytest.mark.parametrize(
    ("name", "value", "may_be"),
    [
        ("routing_key", "x", True),
        ("a", {"b": [{"apiToken": "x"}]}, True),
        ("a", "https://hook.example/x", True),
        ("a", "0123456789abcdef0123", True),
        ("tags", ["deployed_an_image", "team shop"], False),
        ("responders", [{"username": "somebody@shop.example", "type": "user"}], False),
        ("count", 7, False),
    ],
)
def test_what_may_be_a_secret_is_known(name: str, value: Plain, may_be: bool) -> None:  # noqa: FBT001 - a table
    assert may_be_secret(name, value) is may_be


TREES = st.recursive(
    st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: #-", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc: #", min_size=1), TREES, min_size=1), st.text())
def test_what_is_written_reads_back_as_it_was(tree: dict[str, YamlTree], comment: str) -> None:
    document, problems = read_document(yaml_text({key: Noted(tree[key], [comment]) for key in tree}).encode())

    assert not problems
    assert document is not None
    assert document.data == tree
