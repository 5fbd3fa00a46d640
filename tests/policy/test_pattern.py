from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.images import Digest, ImageReference, parse_reference
from router.policy.pattern import TEXT_LIMIT, ImagePattern
from router.text import SHOWN

HEX = "ab" * 32

PART = st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?", fullmatch=True)
SPELT = ["docker.io", "index.docker.io", "localhost", "registry.example", "127.0.0.1:5000", "[::1]:80", "Registry"]
SPELT += ["REGISTRY.example:443", "registry-1.docker.io", "[0:0::1]:080", "Registry:0443", "[::ffff:7f00:1]:5000"]
REGISTRY = st.sampled_from(SPELT)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,6}", fullmatch=True)


@st.composite
def names(draw: st.DrawFn) -> str:
    """Names as people write them, with and without a registry."""
    path = "/".join(draw(st.lists(PART, min_size=1, max_size=3).filter(lambda parts: "." not in parts[0])))
    return f"{draw(REGISTRY)}/{path}" if draw(st.booleans()) else path


@given(names(), st.none() | TAG, st.booleans())
def test_a_pattern_without_wildcards_means_what_the_same_image_means(
    name: str,
    tag: str | None,
    has_digest: bool,  # noqa: FBT001 - a case
) -> None:
    """`nginx` is docker.io/library/nginx in a policy as it is in a Pod."""
    text = name + (f":{tag}" if tag else "") + (f"@sha256:{HEX}" if has_digest else "")
    image = parse_reference(text)
    pattern = ImagePattern.parse(text)

    assert pattern.name.text == image.name
    assert pattern.matches(image)
    assert pattern.registry == image.registry


@given(names(), names())
def test_a_pattern_without_wildcards_matches_no_other_name(one: str, other: str) -> None:
    image = parse_reference(other)

    assert ImagePattern.parse(one).matches(image) == (parse_reference(one).name == image.name)


@given(names(), st.data())
def test_a_wildcard_in_place_of_characters_still_matches(name: str, data: st.DataObject) -> None:
    image = parse_reference(name)
    normalised = image.name
    first = normalised.index("/") + 1
    start = data.draw(st.integers(first, len(normalised)))
    end = data.draw(st.integers(start, len(normalised)))
    star = "**" if "/" in normalised[start:end] else "*"
    assert ImagePattern.parse(f"{normalised[:start]}{star}{normalised[end:]}").matches(image)

    assert ImagePattern.parse("**").matches(image)


@given(st.text("aZ1.:/*@-_ \nsh256é[]", max_size=12))
def test_whatever_is_written_is_a_pattern_or_a_value_error(text: str) -> None:
    try:
        pattern = ImagePattern.parse(text)
    except ValueError:
        return

    assert pattern.text == text
    assert all(pattern.name.text.split("/"))


@pytest.mark.parametrize(
    ("pattern", "normalised"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx*", "docker.io/library/nginx*"),
        ("*", "docker.io/library/*"),
        ("library/*", "docker.io/library/*"),
        ("team-*/app", "docker.io/team-*/app"),
        ("team-**/app", "docker.io/team-**/app"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/*", "docker.io/library/*"),
        ("docker.io/*/*", "docker.io/*/*"),
        ("docker.io/**", "docker.io/**"),
        ("docker.io/ng**", "docker.io/ng**"),
        ("**", "**"),
        ("****", "**"),
        ("**nginx", "**nginx"),
        ("**/nginx", "**/nginx"),
        ("*/foo", "*/foo"),
        ("*foo/bar", "docker.io/*foo/bar"),
        ("*.example/x", "*.example/x"),
        ("registry.example/**", "registry.example/**"),
        ("127.0.0.1:5000/shop/*", "127.0.0.1:5000/shop/*"),
        ("localhost/x*", "localhost/x*"),
        ("*:5000/x", "*:5000/x"),
        ("[::1]:5000/x*", "[::1]:5000/x*"),
        ("[0:0::1]:05000/x*", "[::1]:5000/x*"),
        ("Registry.Example:443/x*", "registry.example/x*"),
        ("registry.example:0443/x*", "registry.example/x*"),
        ("Registry/x*", "registry:443/x*"),
        ("registry-1.docker.io/*", "docker.io/library/*"),
        ("registry.hub.docker.com/team/*", "docker.io/team/*"),
        ("*.Example/x", "*.example/x"),
        ("*.example:443/x", "*.example/x"),
        ("*.example:05000/x", "*.example:5000/x"),
        ("*.example:5*/x", "*.example:5*/x"),
        ("**.Example:443/x", "**.example/x"),
        ("[2001:DB8:*]:5000/x", "[2001:db8:*]:5000/x"),
    ],
)
def test_a_pattern_is_normalised_as_an_image_is(pattern: str, normalised: str) -> None:
    assert ImagePattern.parse(pattern).name.text == normalised


@pytest.mark.parametrize(
    ("pattern", "image", "expected"),
    [
        ("127.0.0.1:5000/shop/*", "127.0.0.1:5000/shop/web:1.4", True),
        ("127.0.0.1:5000/shop/*", "127.0.0.1:5000/shop/web/api", False),
        ("127.0.0.1:5000/shop/*", "127.0.0.1:5001/shop/web", False),
        ("127.0.0.1:5000/sandbox/**", "127.0.0.1:5000/sandbox/a/b/c", True),
        ("registry.example/*", "evil.example/registry.example/web", False),
        ("registry.example/**", "registry.example.evil.example/web", False),
        ("registry.example/**", "registryXexample/web", False),
        ("*.example/x", "a.b.example/x", True),
        ("*/foo", "r.example/foo", True),
        ("*/foo", "foo", False),
        ("nginx", "docker.io/library/nginx:1.27", True),
        ("nginx", "r.example/nginx", False),
        ("nginx:1.*", "nginx:1.27", True),
        ("nginx:1.*", "nginx:2", False),
        ("nginx:latest", "nginx", True),
        ("nginx:*", f"nginx@sha256:{HEX}", False),
        ("nginx@sha256:*", f"nginx@sha256:{HEX}", True),
        ("nginx@sha256:*", "nginx:1", False),
        (f"nginx@sha256:{HEX}", f"nginx:1@sha256:{HEX}", True),
        ("nginx:1", f"nginx:1@sha256:{HEX}", False),
        ("nginx:*", f"nginx:1@sha256:{HEX}", False),
        ("nginx", f"nginx:1@sha256:{HEX}", True),
        ("nginx:1@*", f"nginx:1@sha256:{HEX}", True),
        ("nginx:1@**", f"nginx:1@sha256:{HEX}", True),
        ("nginx:1@*", "nginx:1", True),
        ("nginx:1@*", "nginx:2", False),
        ("nginx:1@*", f"nginx@sha256:{HEX}", False),
        ("nginx:1@sha256:*", "nginx:1", False),
        ("nginx@*", "nginx:1", False),
        ("nginx@*", f"nginx:1@sha256:{HEX}", True),
        ("Registry.Example:443/x", "registry.example/x", True),
        ("registry.example/x", "REGISTRY.example:0443/x", True),
        ("registry.hub.docker.com/library/nginx", "nginx", True),
        ("127.0.0.1:5000/**", "127.0.0.1:05000/a/b", True),
        ("127.0.0.1:5000/**", "[::ffff:7f00:1]:5000/a/b", True),
        ("nginx:1@sha256:ab*", f"nginx:1@sha256:{HEX}", True),
        ("nginx:1@sha256:cd*", f"nginx:1@sha256:{HEX}", False),
        ("nginx:2@sha256:*", f"nginx:1@sha256:{HEX}", False),
        ("**:1.4", "r.example/shop/web:1.4", True),
        ("**@*", f"r.example/shop/web@sha256:{HEX}", True),
    ],
)
def test_a_pattern_matches_whole_images(pattern: str, image: str, expected: bool) -> None:  # noqa: FBT001 - a case
    assert ImagePattern.parse(pattern).matches(parse_reference(image)) is expected


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "1 to 1024 characters"),
        ("x" * (TEXT_LIMIT + 1), "1 to 1024 characters"),
        ("Foo", "lower case"),
        ("shop/A*", "lower case"),
        ("**/A", "lower case"),
        ("https://registry.example/x", "leave out"),
        ("/x", "empty path part"),
        ("registry.example/", "empty path part"),
        ("a//b", "empty path part"),
        ("a b", "other characters"),
        ("r.example/é*", "other characters"),
        ("a:b/c", "HOST or HOST:PORT"),
        ("é.example*/x", "HOST or HOST:PORT"),
        ("r.example/-x", "-x"),
        ("a..b", "a..b"),
        ("127.1/x", "four numbers"),
        ("r.example:0/x", "1 to 65535"),
        ("r*:443/x", "other ports"),
        ("*:443/x", "other ports"),
        ("**:443/x", "other ports"),
        ("*.example:0*/x", "zeros"),
        ("*.example:a/x", "HOST or HOST:PORT"),
        ("**A", "HOST or HOST:PORT"),
        ("x:", "tag"),
        ("x:.a", "tag"),
        ("x:a b", "tag"),
        ("x:1:2", "tag"),
        ("x@", "ALGORITHM:HEX"),
        ("x@sha256:ab", "64"),
        ("x@md5:*", "sha256:*"),
        ("x@sha256:AB*", "lower case"),
        ("x@sha256:*@sha256:*", "digest"),
    ],
)
def test_a_pattern_that_can_match_no_image_is_refused(pattern: str, words: str) -> None:
    """Whoever wrote it believes that it protects something."""
    with pytest.raises(ValueError, match=r"pattern|can match no image") as raised:
        ImagePattern.parse(pattern)

    assert words in str(raised.value)


def test_a_long_pattern_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="can match no image") as raised:
        ImagePattern.parse("a b" * 300)

    assert len(str(raised.value)) < SHOWN * 2


def test_literal_parts_come_before_characters_and_characters_before_a_tag() -> None:
    patterns = ["**", "*/**", "r.example/**", "r.example/shop*", "r.example/shop/*", "r.example/shop/web*"]
    patterns += ["r.example/shop/web", "r.example/shop/web:*", "r.example/shop/web:1@sha256:*"]
    ranks = [ImagePattern.parse(pattern).specificity for pattern in patterns]

    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)


def test_more_literal_parts_win_over_more_characters() -> None:
    assert (
        ImagePattern.parse("*.io/a/b").specificity
        > ImagePattern.parse("registry.example.with.a.long.name/*").specificity
    )


def test_patterns_that_mean_the_same_have_the_same_key() -> None:
    assert ImagePattern.parse("nginx:1.**").key == ImagePattern.parse("index.docker.io/library/nginx:1.*").key
    assert ImagePattern.parse("nginx").key != ImagePattern.parse("nginx:*").key


def test_an_image_without_a_tag_is_not_one_with_any_tag() -> None:
    image = ImageReference("r.example", "x", None, Digest("sha256", HEX))

    assert not ImagePattern.parse("r.example/x").tag
    assert not ImagePattern.parse("r.example/x:*").matches(image)


VERSIONS = ["", ":1", ":*", ":1*", "@*", "@sha256:*", "@sha256:ab*", f"@sha256:{HEX}"]
VERSIONS += [":1@*", ":*@*", ":1@sha256:*", ":1*@sha256:ab*", f":1@sha256:{HEX}"]


@pytest.mark.parametrize("wide", VERSIONS)
@pytest.mark.parametrize("narrow", VERSIONS)
def test_a_pattern_covers_another_where_it_matches_all_its_tags_and_digests(wide: str, narrow: str) -> None:
    tags = (None, "1", "12", "2")
    digests = (
        None,
        *(Digest("sha256", hexes) for hexes in (HEX, "ab" + "cd" * 31, "cd" * 32)),
        Digest("sha512", HEX * 2),
    )
    images = [ImageReference("r.example", "x", tag, digest) for tag in tags for digest in digests]
    one, other = ImagePattern.parse(f"r.example/x{wide}"), ImagePattern.parse(f"r.example/x{narrow}")
    differs = any(other.matches(image) and not one.matches(image) for image in images if image.tag or image.digest)

    assert one.covers(other) == (not differs)
