"""Warnings about what is allowed and binds less than it seems to. Pure.

Rules:
(1) Where a namespace enforces and tags are not pinned: whoever runs a registry may answer us and the node differently.
(2) Where the file enforces and webhooks call by a label: those do not know the file.
(3) Verifiers that prove less than their kind does (each says so itself).
(4) A rule for a tag that is laxer than the rule for the other tags (`router.policy.laxity`).
(5) Exemptions that have ended.
(6) Programs, and everybody, among those who may break the glass; and that whoever reaches the port could say who he is.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.policy import EnforcementSettings, lax_tag_rules, tolerant_anywhere
from router.policy.ends import end_text
from router.settings.problems import ConfigurationFinding, Path
from router.settings.tree import Settings
from router.text import shown
from router.verdict import Mode
from router.verification.catalogue import BUILT_IN


def unpinned(settings: Settings) -> Iterator[ConfigurationFinding]:
    """The first place that enforces, where `webhook.pin_digests` is off."""
    places = _enforcing(settings.enforcement)
    if settings.webhook.pin_digests or not places:
        return
    yield ConfigurationFinding(
        places[0],
        "enforces, but webhook.pin_digests is off: a tag that was proven here may be another image when the node asks "
        "for it; set pin_digests: true and register /mutate",
    )


def unlabelled(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Every place that enforces, where the API server knows by a label what is enforced."""
    enforcement = settings.enforcement
    spared = {*enforcement.never_block, *enforcement.label_may_lower}
    if enforcement.label is None or "*" in spared:
        return
    for path in _enforcing(enforcement):
        name = str(path[-1])
        if name not in spared:
            whom = "payments" if len(path) == _OF_DEFAULT or "*" in name else name
            yield ConfigurationFinding(
                path,
                "is enforced by this file, which the API server does not know: where the namespace lacks the label "
                f"{enforcement.label}=enforce it calls /validate/detect, and goes by that webhook's failurePolicy (as "
                "shipped, Ignore) while nobody answers; give each such namespace the label, too: "
                f"kubectl label namespace {whom} {enforcement.label}=enforce",
            )


_OF_DEFAULT = 2
"""Keys that lead to `enforcement.default`."""


def _enforcing(enforcement: EnforcementSettings) -> list[Path]:
    """Where it says that something is enforced, the default first."""
    default: list[Path] = [("enforcement", "default")] if enforcement.default is Mode.ENFORCE else []
    named = [name for name, mode in enforcement.namespaces.items() if mode is Mode.ENFORCE]
    return [*default, *(("enforcement", "namespaces", name) for name in named)]


def lax_verifiers(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Every verifier that says of itself that it proves little."""
    for index, verifier in enumerate(settings.verifiers):
        if verifier.caution is not None:
            key, text = verifier.caution
            yield ConfigurationFinding(("verifiers", index, key), text)


def lax_tags(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Every rule for a tag that is laxer than its neighbour."""
    verifiers = (*BUILT_IN, *settings.verifiers)
    statics = {verifier.name: ruling for verifier in verifiers if (ruling := verifier.ruling) is not None}
    for index, neighbour, how in lax_tag_rules(settings.policy, statics):
        text = (
            f"this rule for a tag is laxer than policy[{neighbour}] ({shown(settings.policy[neighbour].pattern)}), "
            f"which is for the other tags: it {how}, and whoever may push decides what the tag means; "
            "name a digest (@sha256:...) instead, or ask for as much"
        )
        yield ConfigurationFinding(("policy", index, "pattern"), text)


def admitted_anywhere(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Every rule that tolerates what the registry does, and lets whoever deploys choose the registry."""
    for index in tolerant_anywhere(settings.policy):
        text = (
            "`admit` on a pattern that names no registry: whoever deploys may choose one that never answers, and "
            "its images pass; name the registry in the pattern, or write `reject`"
        )
        yield ConfigurationFinding(("policy", index, "on_unverifiable"), text)


def ended_exemptions(settings: Settings, now: float) -> Iterator[ConfigurationFinding]:
    """Every exemption that has ended at that time of day."""
    for index, exemption in enumerate(settings.exemptions):
        if exemption.until <= now:
            text = f"it has ended at {end_text(exemption.until)} and lets in nothing; remove it, or set a later end"
            yield ConfigurationFinding(("exemptions", index, "until"), text)


def loose_break_glass(settings: Settings) -> Iterator[ConfigurationFinding]:
    """Whoever may break the glass and is no person in an emergency."""
    if (glass := settings.break_glass) is None:
        return
    for key, index, name in glass.allowed.doubtful:
        text = (
            f"{shown(name)} stands for programs: what a pipeline or a controller does by itself is no emergency, and "
            "whoever takes it over brings in any image; name people"
        )
        yield ConfigurationFinding(("break_glass", "allowed", key, index), text)
    if settings.webhook.clients is None:
        text = (
            "whoever reaches the webhook can claim to be one of these users, since it asks for no client certificate "
            "(webhook.clients): a grant could be made that lets in what controllers bring; ask for the API server's"
        )
        yield ConfigurationFinding(("break_glass", "allowed"), text)


def of_destinations(settings: Settings) -> Iterator[ConfigurationFinding]:
    """A note for every destination that says of itself that it may get what it does not take."""
    for index, destination in enumerate(settings.destinations):
        if destination.note is not None:
            key, text = destination.note
            yield ConfigurationFinding(("destinations", index, key), text)
