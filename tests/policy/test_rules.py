from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.images import ImageReference, parse_reference
from router.policy import Policy, Rule, RuleSettings, unreachable_rules
from router.verdict import Mode


def rules(*patterns: str) -> list[RuleSettings]:
    return [RuleSettings(pattern=pattern, verifier=f"v{index}") for index, pattern in enumerate(patterns)]


def winner(patterns: list[str], image: str) -> str | None:
    found = Policy(rules(*patterns)).match(parse_reference(image))
    return None if found is None else found.pattern


EXAMPLE = ["127.0.0.1:5000/shop/*", "127.0.0.1:5000/vault/*", "127.0.0.1:5000/sandbox/**", "registry.k8s.io/**", "**"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("127.0.0.1:5000/shop/web:1.4", "127.0.0.1:5000/shop/*"),
        ("127.0.0.1:5000/shop/a/b", "**"),
        ("127.0.0.1:5000/sandbox/a/b", "127.0.0.1:5000/sandbox/**"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/**"),
        ("nginx", "**"),
    ],
)
def test_the_most_specific_rule_wins(image: str, expected: str) -> None:
    assert winner(EXAMPLE, image) == expected
    assert winner(EXAMPLE[::-1], image) == expected


def test_a_wildcard_registry_can_win_over_a_literal_one() -> None:
    """Rules are looked up by registry; that must not change who wins."""
    patterns = ["r.example/**", "*/shop/web", "**"]

    assert winner(patterns, "r.example/shop/web") == "*/shop/web"
    assert winner(patterns, "r.example/shop/api") == "r.example/**"
    assert winner(patterns, "s.example/shop/api") == "**"


def test_of_equally_specific_rules_the_first_in_the_file_wins() -> None:
    assert winner(["r.example/a*", "r.example/*a"], "r.example/aa") == "r.example/a*"
    assert winner(["r.example/*a", "r.example/a*"], "r.example/aa") == "r.example/*a"
    assert winner(["*.example/x", "r.exampl*/x"], "r.example/x") == "*.example/x"
    assert winner(["r.example/a*b", "*.example/ab*"], "r.example/ab") == "r.example/a*b"


def test_a_tag_or_digest_is_more_specific() -> None:
    patterns = ["r.example/x", "r.example/x:1", "r.example/x:1@sha256:*"]

    assert winner(patterns, "r.example/x:1") == "r.example/x:1"
    assert winner(patterns, "r.example/x:2") == "r.example/x"
    assert winner(patterns, "r.example/x:1@sha256:" + "ab" * 32) == "r.example/x:1@sha256:*"


def test_an_image_that_no_rule_matches_has_none() -> None:
    assert winner(["r.example/**"], "nginx") is None
    assert winner([], "nginx") is None


def test_a_tag_says_nothing_beside_a_digest() -> None:
    """`tools/web:debug@sha256:...` runs whatever has this digest; nobody checks that it was ever called `debug`."""
    patterns = ["r.example/tools/web:debug", "r.example/tools/*", "r.example/lib/web:debug@*", "r.example/lib/*"]
    digest = "@sha256:" + "ab" * 32

    assert winner(patterns, "r.example/tools/web:debug") == patterns[0]
    assert winner(patterns, f"r.example/tools/web:debug{digest}") == patterns[1]
    assert winner(patterns, "r.example/lib/web:debug") == winner(patterns, f"r.example/lib/web:debug{digest}")


def test_every_spelling_of_a_registry_has_the_same_rule() -> None:
    patterns = ["registry.example/shop/*", "docker.io/library/*", "127.0.0.1:5000/**", "**"]
    spelt = ["REGISTRY.example/shop/web:1", "registry.example:0443/shop/web", "registry-1.docker.io/library/nginx"]
    spelt += ["registry.hub.docker.com/library/nginx", "127.0.0.1:05000/a/b", "[::ffff:7f00:1]:5000/a"]

    assert "**" not in {winner(patterns, image) for image in spelt}


def test_names_that_nobody_needs_cost_no_memory() -> None:
    """Whoever deploys chooses names; what is remembered of them is memory, and pushes out what others need."""
    policy = Policy(rules("r.example/*", "**/team-*/**", "**"))
    policy.match(parse_reference("r.example/x"))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2000):
            policy.match(ImageReference("r.example", f"{'a/' * 100}{number}", "1", None))
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < 100_000


def test_a_rule_says_what_the_settings_say() -> None:
    settings_ = RuleSettings.model_validate(
        {
            "pattern": "nginx",
            "verifier": "keys",
            "with": {"threshold": 2, "required": ["b", "a"]},
            "mode": "detect",
            "on_unverifiable": "admit",
        }
    )
    rule = Rule.of(settings_)

    assert (rule.pattern, rule.verifier, rule.threshold, rule.required) == ("nginx", "keys", 2, ("b", "a"))
    assert (rule.mode, rule.on_unverifiable) == (Mode.DETECT, "admit")


def test_rules_that_ask_for_the_same_share_their_proofs() -> None:
    """A key tells what is demanded, not where: else a change of a pattern would cost every proof again."""
    base = {"pattern": "a", "verifier": "keys"}

    def key(**other: object) -> str:
        return Rule.of(RuleSettings.model_validate(base | other)).key

    assert key() == key(pattern="b", mode="detect", on_unverifiable="admit") == key(**{"with": {"threshold": 1}})
    assert key(**{"with": {"required": ["x", "y"]}}) == key(**{"with": {"required": ["y", "x"]}})
    different = [key(), key(verifier="other"), key(**{"with": {"threshold": 2}}), key(**{"with": {"required": ["x"]}})]
    assert len(set(different)) == 4


@pytest.mark.parametrize(
    ("patterns", "hidden"),
    [
        (["nginx", "docker.io/library/nginx"], [(1, 0)]),
        (["**", "nginx"], []),
        (["r.example/**", "r.example/*"], [(1, 0)]),
        (["r.example/*", "r.example/**"], []),
        (["x:1.*", "x:1.4"], [(1, 0)]),
        (["x:1.4", "x:1.*"], []),
        (["x", "x:1"], []),
        (["x@sha256:*", "x@sha256:ab*"], [(1, 0)]),
        (["x:1", "x@sha256:*"], []),
        (["x:1", "x:1@*"], [(0, 1)]),
        (["x:1@sha256:ab*", "x:1@*"], []),
        (["x:1@*", "x:1@sha256:ab*"], [(1, 0)]),
        (["x@*", "x:1@*"], []),
        (["registry.example/x", "Registry.Example:443/x"], [(1, 0)]),
        (["**", "*/**"], [(0, 1)]),
        (["a/*", "b/*", "a/*", "a/*"], [(2, 0), (3, 0)]),
        (["a/x*", "a/*x"], []),
        ([], []),
    ],
)
def test_a_rule_that_can_never_win_is_found(patterns: list[str], hidden: list[tuple[int, int]]) -> None:
    assert unreachable_rules(rules(*patterns)) == hidden


IMAGES = [
    parse_reference(f"{registry}/{path}{version}")
    for registry, path, version in itertools.product(
        ["r.example", "s.example"],
        ["a", "b", "ab", "a/b", "b/a", "a/a/b"],
        [":1", ":12", ":1@sha256:" + "ab" * 32, "@sha256:" + "cd" * 32],
    )
]
PATTERNS = st.builds(
    lambda registry, path, version: f"{registry}/{path}{version}",
    st.sampled_from(["r.example", "*.example", "*", "**"]),
    st.sampled_from(["a", "a*", "*a", "*", "**", "*/*", "a/**", "**/b", "*b*"]),
    st.sampled_from(["", ":1", ":1*", ":*", "@sha256:*", "@sha256:ab*", ":1@*", ":*@*", ":1@sha256:*", "@*"]),
)


@settings(max_examples=60)
@given(st.lists(PATTERNS, max_size=7))
def test_a_rule_that_is_called_unreachable_never_wins(patterns: list[str]) -> None:
    """The configuration is refused for it, so it must be true."""
    policy = Policy(rules(*patterns))
    hidden = unreachable_rules(rules(*patterns))
    won = {found.verifier for image in IMAGES if (found := policy.match(image)) is not None}

    assert not {f"v{loser}" for loser, _ in hidden} & won
    assert not {f"v{loser}" for loser, _ in hidden} & {f"v{victor}" for _, victor in hidden}


@settings(max_examples=60)
@given(st.lists(PATTERNS, max_size=7))
def test_the_winner_is_the_first_match_in_order_of_specificity(patterns: list[str]) -> None:
    """The plain definition, without the look-up by registry."""
    from router.policy import ImagePattern

    parsed = [ImagePattern.parse(pattern) for pattern in patterns]
    order = sorted(range(len(parsed)), key=lambda index: [*(-rank for rank in parsed[index].specificity), index])
    policy = Policy(rules(*patterns))

    for image in IMAGES:
        expected = next((f"v{index}" for index in order if parsed[index].matches(image)), None)
        found = policy.match(image)
        assert (None if found is None else found.verifier) == expected
