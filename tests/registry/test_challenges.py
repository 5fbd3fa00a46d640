from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MalformedAnswerError
from router.registry.challenges import HEADER_LIMIT, Basic, Bearer, Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/a:pull"'
WORDS = st.text("abcXYZ019-_!", min_size=1, max_size=8)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HUB, [Bearer("https://auth.docker.io/token", "registry.docker.io", "repository:library/a:pull")]),
        ("Basic", [Basic()]),
        ('basic realm="a, b"', [Basic()]),
        ('Negotiate, Basic realm="x", charset="UTF-8"', [Basic()]),
        ("Negotiate YII=, Basic realm=x", [Basic()]),
        ('Basic realm="x",Bearer realm="https://a"', [Basic(), Bearer("https://a", "", "")]),
        ('BEARER  Realm = "https://a" ,\tSERVICE=s', [Bearer("https://a", "s", "")]),
        (r'Bearer realm="a\"b\\c"', [Bearer(r'a"b\c', "", "")]),
        ('Digest realm="x", nonce="y", qop="auth,auth-int"', []),
        ("", []),
    ],
)
def test_challenges_are_read_in_their_order(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges([header]) == tuple(expected)


def test_several_headers_are_one_list() -> None:
    assert parse_challenges(["Negotiate", HUB, "Basic"])[-1] == Basic()


BROKEN = ["=", '"', "Bearer realm", 'Bearer realm="a', 'Bearer realm="a" service="b"', 'Bearer realm="a",realm="b"']
BROKEN += ['Bearer service="a"', "Bearer realm=", 'Bearer realm="a\x00"', 'Bearer realm="a";x']
BROKEN += ["Bearer " + "a" * HEADER_LIMIT]


@pytest.mark.parametrize("header", BROKEN)
def test_what_breaks_the_grammar_is_malformed(header: str) -> None:
    with pytest.raises(MalformedAnswerError):
        parse_challenges([header])


@given(st.lists(st.text('Bearer Basic realm="a",=\\/ \t', max_size=60) | st.text(max_size=40), max_size=3))
def test_no_header_crashes_the_parser(headers: list[str]) -> None:
    try:
        found = parse_challenges(headers)
    except MalformedAnswerError:
        return

    assert all(isinstance(one, Basic | Bearer) for one in found)


@given(QUOTED, QUOTED, st.lists(st.tuples(WORDS, QUOTED), max_size=3, unique_by=lambda pair: pair[0].lower()))
def test_what_is_quoted_is_read_back(realm: str, scope: str, others: list[tuple[str, str]]) -> None:
    pairs = [("realm", realm), ("scope", scope)] + [
        pair for pair in others if pair[0].lower() not in {"realm", "scope"}
    ]
    quoted = ((name, value.replace("\\", r"\\").replace('"', r"\"")) for name, value in pairs)
    header = "Bearer " + ",".join(f'{name}="{value}"' for name, value in quoted)

    (found,) = parse_challenges([header])

    assert isinstance(found, Bearer)
    assert (found.realm, found.scope) == (realm, scope)
