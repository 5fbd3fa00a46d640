from __future__ import annotations

import ipaddress
import re
import time
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.errors import InvalidReferenceError
from router.hosts import HUB_NAMES
from router.images import (
    REMEMBERED_LENGTH,
    TEXT_LIMIT,
    Digest,
    ImageReference,
    is_tag,
    parse_reference,
)
from router.images import _remembered as remembered

HEX = {"sha256": "ab" * 32, "sha384": "0c" * 48, "sha512": "d9" * 64}
SHA256 = f"sha256:{HEX['sha256']}"


class Oracle(NamedTuple):
    """What the published grammar makes of a text."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None


COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
HOST = rf"(?:{COMPONENT}(?:\.{COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])"
DOMAIN = rf"{HOST}(?::[0-9]+)?"
ALPHANUMERIC = r"[a-z0-9]+"
PART = rf"{ALPHANUMERIC}(?:(?:\.|_|__|-+){ALPHANUMERIC})*"
REMOTE = rf"{PART}(?:/{PART})*"
DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
REFERENCE = re.compile(rf"({DOMAIN})/({REMOTE})(?::([A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@({DIGEST}))?")
KNOWN_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")


def canonical(domain: str) -> str | None:
    """The canonical form of a registry by other means; None where it is no registry."""
    match = re.fullmatch(rf"({HOST})(?::([0-9]+))?", domain)
    if match is None or len(match[1]) > 253 or (match[2] and not 0 < int(match[2]) < 65536):
        return None
    host = match[1].lower()
    try:
        if host.startswith("["):
            address = ipaddress.IPv6Address(host[1:-1])
            mapped = address.ipv4_mapped
            if mapped and match[1] != "[::ffff:{:x}:{:x}]".format(*divmod(int(mapped), 65536)):
                return None
            host = str(mapped) if mapped else f"[{address.compressed}]"
        elif re.fullmatch(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", host):
            host = str(ipaddress.IPv4Address(host))
    except ValueError:
        return None
    port = int(match[2] or 443)
    if port == 443 and host in HUB_NAMES:
        return "docker.io"
    return host if port == 443 and (host == "localhost" or set(".:") & {*host}) else f"{host}:{port}"


def oracle(text: str) -> Oracle | None:
    if re.fullmatch(r"[a-f0-9]{64}", text) or re.fullmatch(r"(sha(256|384|512)|blake3)([:@][^/]*)?", text):
        return None
    first, slash, rest = text.partition("/")
    if not slash:
        domain, remote = "docker.io", f"library/{text}"
    elif first == "localhost" or any(mark in first for mark in ".:") or first != first.lower():
        domain, remote = first, rest
    else:
        domain, remote = "docker.io", text
    named = canonical(domain)
    if named is None:
        return None
    domain = named
    if domain == "docker.io" and "/" not in remote:
        remote = f"library/{remote}"
    match = REFERENCE.fullmatch(f"{domain}/{remote}")
    if match is None or match[1] != domain or len(match[2]) > 255:
        return None
    if match[4] is not None and not KNOWN_DIGEST.fullmatch(match[4]):
        return None
    return Oracle(domain, match[2], match[3] or (None if match[4] else "latest"), match[4])


def parsed(text: str) -> Oracle | None:
    try:
        image = parse_reference(text)
    except InvalidReferenceError:
        return None
    return Oracle(image.registry, image.repository, image.tag, str(image.digest) if image.digest else None)


PIECES = [*"aA0z._-/:@[]", "__", "--", "localhost", "docker.io", "index.docker.io", "library", "reg.example", ":5000"]
PIECES += [
    *sorted(HUB_NAMES),
    ":443",
    ":0443",
    ":0",
    ":65536",
    "127.0.0.1",
    "127.1",
    "sha256",
    "0x7f",
    "[::FFFF:7f00:1]",
]
PIECES += ["[::1]", ":latest", ":1.20", f"@{SHA256}", "@sha256:", f"sha384:{HEX['sha384']}", HEX["sha256"], "\n"]
PIECES += ["\N{LATIN CAPITAL LETTER A WITH DIAERESIS}", "\N{LATIN SMALL LETTER LONG S}", "\N{KELVIN SIGN}"]
PIECES += ["\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{ARABIC-INDIC DIGIT THREE}"]
NEARLY = st.lists(st.sampled_from(PIECES), max_size=9).map("".join)
DIGESTS = st.sampled_from(sorted(HEX)).map(lambda algorithm: f"@{algorithm}:{HEX[algorithm]}")
VALID = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(
            [
                "",
                "docker.io/",
                "index.docker.io/",
                "localhost/",
                "UP/",
                "reg.example:5000/",
                "[::1]:1/",
                "Reg.Example:0443/",
            ]
        ),
        st.lists(st.from_regex(PART, fullmatch=True), min_size=1, max_size=4).map("/".join),
        st.just("") | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True).map(":{}".format),
        st.just("") | DIGESTS,
    ),
).filter(lambda text: oracle(text) is not None)


@given(NEARLY | st.text(max_size=80) | VALID)
@example("a_b.c/x")
@example("localhost/x")
@example("localhost:5000")
@example("index.docker.io/nginx")
@example("a:5000/b/c")
@example("docker.io/library/nginx\n")
@example("Docker.io/nginx")
@example("Registry/nginx")
@example("registry:443/nginx")
@example("[::ffff:7f00:1]:5000/x")
@example("[::FFFF:7f00:1]:5000/x")
@example("[0:0::1]/x")
@example("0x7f.1/x")
@example("sha256:" + "a" * 64)
def test_the_parser_agrees_with_the_published_grammar(text: str) -> None:
    expected = oracle(text)

    assert parsed(text) == expected


@given(VALID)
def test_a_normalised_reference_reads_as_itself(text: str) -> None:
    image = parse_reference(text)

    assert parse_reference(str(image)) == image


@given(NEARLY | VALID)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    try:
        once = str(parse_reference(text))
    except InvalidReferenceError:
        return

    assert str(parse_reference(once)) == once


@given(st.text() | st.text(alphabet="aA0./:@_-[]%\u202e\ud800\x00"))
def test_no_text_crashes_the_parser(text: str) -> None:
    """Whoever deploys writes the text."""
    try:
        image = parse_reference(text)
    except InvalidReferenceError:
        return

    assert isinstance(image, ImageReference)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("bitnami/redis", "docker.io/bitnami/redis:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/bitnami/redis:7", "docker.io/bitnami/redis:7"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("registry/app", "docker.io/registry/app:latest"),
        ("registry:5000/app", "registry:5000/app:latest"),
        ("Registry/app", "registry:443/app:latest"),
        ("[2001:db8::1]:5000/a/b:x", "[2001:db8::1]:5000/a/b:x"),
        ("gcr.io/p/a__b/c-d---e.f:V_1.0-x", "gcr.io/p/a__b/c-d---e.f:V_1.0-x"),
        (f"nginx@{SHA256}", f"docker.io/library/nginx@{SHA256}"),
        (f"nginx:1@{SHA256}", f"docker.io/library/nginx:1@{SHA256}"),
        (f"docker.io/library/{HEX['sha256']}", f"docker.io/library/{HEX['sha256']}:latest"),
    ],
)
def test_a_familiar_name_stands_for_its_full_one(text: str, normalised: str) -> None:
    assert str(parse_reference(text)) == normalised


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "empty"),
        (HEX["sha256"], "image ID"),
        ("a" * (TEXT_LIMIT + 1), "characters"),
        ("docker.io/" + "a" * 256, "255 characters"),
        ("Nginx", "lower case"),
        ("reg.example/Shop/web", "lower case"),
        ("reg.example/", "not a valid repository"),
        ("/nginx", "not a valid repository"),
        ("a//b", "not a valid repository"),
        ("a___b", "not a valid repository"),
        ("a..b", "not a valid repository"),
        ("::1/app", "not a valid registry host"),
        ("-a.example/app", "not a valid registry host"),
        ("a_b.example/app", "not a valid registry host"),
        ("reg.example:port/app", "not a valid registry host"),
        ("user@reg.example/app", "not a valid registry host"),
        ("https://reg.example/app", "not a valid registry host"),
        ("nginx:", "tag"),
        ("nginx:.a", "tag"),
        ("nginx:" + "a" * 129, "tag"),
        ("nginx:1:2", "tag"),
        ("nginx:1\n", "tag"),
        ("nginx:\N{ARABIC-INDIC DIGIT ONE}", "tag"),
        ("nginx@", "not a valid digest"),
        ("nginx@sha256", "not a valid digest"),
        ("nginx@md5:" + "a" * 32, "algorithm"),
        ("nginx@SHA256:" + HEX["sha256"], "algorithm"),
        ("nginx@sha256:" + "A" * 64, "lower-case"),
        ("nginx@sha256:" + "a" * 63, "64"),
        (f"nginx@{SHA256}@{SHA256}", "64"),
        ("nginx@sha512:" + HEX["sha256"], "128"),
    ],
)
def test_a_refused_reference_says_what_is_wrong(text: str, because: str) -> None:
    with pytest.raises(InvalidReferenceError, match=because):
        parse_reference(text)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("REGISTRY.example/shop/web", "registry.example/shop/web"),
        ("Registry.Example:443/shop/web", "registry.example/shop/web"),
        ("registry.example:0443/shop/web", "registry.example/shop/web"),
        ("registry.example:05000/shop/web", "registry.example:5000/shop/web"),
        ("registry.example:80/shop/web", "registry.example:80/shop/web"),
        ("DOCKER.io/nginx", "docker.io/library/nginx"),
        ("docker.io:443/team/app", "docker.io/team/app"),
        ("registry-1.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
        ("Registry.Hub.Docker.com:443/library/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io:80/library/nginx", "registry-1.docker.io:80/library/nginx"),
        ("registry-1.docker.io.example/library/nginx", "registry-1.docker.io.example/library/nginx"),
        ("LocalHost/app", "localhost/app"),
        ("localhost:443/app", "localhost/app"),
        ("registry:0443/app", "registry:443/app"),
        ("[2001:DB8:0::1]:443/app", "[2001:db8::1]/app"),
        ("[0:0:0:0:0:0:0:1]:5000/app", "[::1]:5000/app"),
        ("[::ffff:7f00:1]:5000/app", "127.0.0.1:5000/app"),
        ("library/sha256:abcd", "docker.io/library/sha256"),
        ("docker.io/sha256:abcd", "docker.io/library/sha256"),
    ],
)
def test_every_spelling_of_a_registry_is_one_name(written: str, name: str) -> None:
    """Else an image passes by the rule for its registry because of how its name is written."""
    assert parse_reference(written).name == name


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("127.1:5000/a", "four numbers"),
        ("0177.0.0.1/a", "four numbers"),
        ("127.0.0.01:5000/a", "four numbers"),
        ("1.2.3.4.5/a", "four numbers"),
        ("1.2.3.256/a", "four numbers"),
        ("0x7f.1/a", "four numbers"),
        ("127.0.0.0X1:1/a", "four numbers"),
        ("2130706433:5000/a", "four numbers"),
        ("0x7f000001:5000/a", "four numbers"),
        ("registry.1/a", "four numbers"),
        ("[::FFFF:7f00:1]:5000/a", "the IPv4 address 127.0.0.1 itself"),
        ("[0::ffff:7f00:1]:5000/a", "the IPv4 address 127.0.0.1 itself"),
        ("[::ffff:7f00:0001]:5000/a", "the IPv4 address 127.0.0.1 itself"),
        ("[::ffff:127.0.0.1]:5000/a", "not a valid registry host"),
        ("[:::::]/a", "no IPv6 address"),
        ("[1::2::3]/a", "no IPv6 address"),
        ("registry.example:0/a", "1 to 65535"),
        ("registry.example:65536/a", "1 to 65535"),
        (f"registry.example:{'9' * 900}/a", "253"),
        (f"{'a.' * 127}a/a", "253"),
        ("registry.example./a", "not a valid registry host"),
        ("registry.example.:443/a", "not a valid registry host"),
        ("a.example:443:443/a", "not a valid registry host"),
        (SHA256, "image ID"),
        ("sha256:abcd12", "image ID"),
        ("sha256", "image ID"),
        (f"sha512:{'b' * 128}", "image ID"),
        (f"sha384:latest@{SHA256}", "image ID"),
        (f"sha256@{SHA256}", "image ID"),
        ("blake3:abcd", "image ID"),
    ],
)
def test_what_is_read_in_more_than_one_way_is_no_reference(text: str, because: str) -> None:
    """What resolvers and runtimes read each in its own way would be judged as one image and run as another."""
    with pytest.raises(InvalidReferenceError, match=because):
        parse_reference(text)


HOSTILE = [
    "a/" + "a-" * 100 + "-" * 800 + "!",
    "x.y/" + "a" * 1000 + "!",
    "a." * 500 + "!/x",
    "a-" * 500 + "/x",
    "a-" * 126 + "./x",
    "a" * 252 + "-/x",
    "a/" + "a_" * 500,
    "a/" + "a__" * 84 + "_",
    "[" + "0:" * 500 + "]/x",
    "h." * 120 + "x/" + "y/" * 110 + "z:t",
    "a:" + "A." * 500,
    "a@" + "sha256:" * 140,
    "A" * 1_000_000,
]


def test_no_text_makes_the_parser_slow() -> None:
    """A review has room for a thousand names of a thousand characters, and holds everybody up while they are read."""
    began = time.process_time()
    for number in range(1000):
        try:
            parse_reference(HOSTILE[number % len(HOSTILE)])
        except InvalidReferenceError:
            continue

    assert time.process_time() - began < 1


def test_long_texts_are_not_remembered() -> None:
    """What is remembered is bounded in bytes, and names that nobody needs push out none that others use."""
    remembered.cache_clear()
    for number in range(5000):
        parse_reference(f"registry.example/{'a' * REMEMBERED_LENGTH}".replace("a", "a/", 60)[:250] + f"{number:010}")

    assert remembered.cache_info().currsize == 0


def test_an_error_repeats_only_the_start_of_a_long_text() -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_reference("A" * 100_000)

    assert len(str(caught.value)) < 400


def test_equal_images_are_equal_values() -> None:
    names = {parse_reference(text) for text in ("nginx", "docker.io/nginx", "index.docker.io/library/nginx:latest")}

    assert len(names) == 1
    assert names.pop().name == "docker.io/library/nginx"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@given(data=st.binary(max_size=100), other=st.binary(max_size=100))
def test_a_digest_matches_its_own_bytes_only(algorithm: str, data: bytes, other: bytes) -> None:
    digest = Digest.of(data, algorithm)

    assert digest.matches(data)
    assert digest.matches(other) == (data == other)
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", f"{SHA256}\n", "sha256:" + "\N{ARABIC-INDIC DIGIT THREE}" * 64, "sha1:" + "a" * 40],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        Digest.parse(text)


def test_no_digest_is_made_by_an_unknown_algorithm() -> None:
    with pytest.raises(InvalidReferenceError, match="algorithm"):
        Digest.of(b"", "md5")


def test_a_tag_has_at_most_128_characters() -> None:
    assert is_tag("a" * 128)
    assert not is_tag("a" * 129)
