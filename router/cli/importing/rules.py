"""The policy becomes rules. Pure.

Rules:
(1) A rule without a validator, or without a trust root, means the one that is called `default`.
(2) `trustRoot: "*"` asks for `threshold` of all roots; without threshold and `required` for every one of them.
    Another root is `required` where the validator has more than one. Signers are counted here, signatures there.
(3) A rule that can't be kept is `deny`; one whose pattern can't be kept is left out, and said.
(4) They take the pattern with most path parts, we the one with most literal ones: where two rules change places, it is
    said.

Source: Connaisseur 3.x, internal/policy and internal/validator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.cli.importing.account import ImportAccount
from router.cli.importing.naming import quoted
from router.cli.importing.patterns import Converted, components, converted
from router.cli.importing.values import Section
from router.cli.importing.verifiers import Validator, Verifiers
from router.cli.importing.writing import Noted, YamlTree

_DENY, _ALLOW = "deny", "allow"
_UNPINNED = "insecureValidateOnly"


@dataclass(slots=True)
class ImportedRules:
    """What becomes of the policy."""

    rules: list[Noted] = field(default_factory=list)
    verifiers: list[Noted] = field(default_factory=list)
    registries: dict[str, list[str]] = field(default_factory=dict)
    """The registries of each validator's rules, by the validator's name there."""
    pins: bool = True
    lost: list[str] = field(default_factory=list)
    """Comments about rules that are left out."""


def converted_rules(
    sections: Sequence[Section], validators: Mapping[str, Validator], account: ImportAccount, *, is_second: bool
) -> ImportedRules:
    """The rules, with the verifiers that they need; `is_second` says that they are of 2.x."""
    made, verifiers = ImportedRules(), Verifiers(account, is_log_asked=not is_second)
    unpinned = list[bool]()
    kept = list[tuple[Section, str, Converted]]()
    for section in sections:
        written = section.text("pattern") or ""
        one = validators.get(section.text("validator") or "default")
        asked = section.section("with")
        comments = list[str]()
        verifier, demands = _judged(one, asked, section, verifiers, comments)
        try:
            pattern = converted(written, is_verifying=verifier not in (_DENY, _ALLOW), is_open=not is_second)
        except ValueError as error:
            made.lost.append(
                account.gap(section.at("pattern"), f"this rule is left out, and others take its images: {error}")
            )
            continue
        _drop_equal(kept, made, pattern, account)
        kept.append((section, written, pattern))
        if pattern.is_narrower:
            why = "theirs matched behind any registry and path, too; name each registry that is meant"
            comments.append(account.gap(section.at("pattern"), why))
        if one is not None and one.approves is None:
            made.registries.setdefault(one.written, []).append(pattern.registry or "")
            unpinned.append(asked.text("mode") == _UNPINNED)
        else:
            asked.raw("mode")  # what is let pass or refused unseen has no digest that was proven
        rule: dict[str, YamlTree] = {"pattern": pattern.pattern.text, "verifier": verifier}
        made.rules.append(Noted({**rule, **({"with": demands} if demands else {})}, comments))
        _note_order(kept, made.rules, account)
    _pin(made, unpinned, kept, account)
    made.verifiers = list(verifiers.made.values())
    return made


def _drop_equal(
    kept: list[tuple[Section, str, Converted]], made: ImportedRules, pattern: Converted, account: ImportAccount
) -> None:
    """Of rules with the same pattern the last one counts there, and no second one may stand here."""
    for number, (section, _, before) in enumerate(kept):
        if before.pattern.key == pattern.pattern.key:
            why = "left out: a later rule speaks for the same images"
            made.lost.append(account.gap(section.at("pattern"), why))
            del kept[number], made.rules[number]
            return


def _judged(
    one: Validator | None, asked: Section, section: Section, verifiers: Verifiers, comments: list[str]
) -> tuple[str, dict[str, YamlTree]]:
    """The verifier, and what is asked of it."""
    account = verifiers.account
    if one is None:
        asked.dismiss()
        comments.append(account.gap(section.at("validator"), "there is no such validator; its images are denied"))
        return _DENY, {}
    if one.approves is not None:
        return (_ALLOW if one.approves else _DENY), {}
    if not one.can_verify:
        asked.dismiss()
        comments += one.comments
        one.comments = []
        comments.append(account.gap(section.path, f"validator {quoted(one.written)} has nobody to trust: denied"))
        return _DENY, {}
    demands = _demands(one, asked, comments, account)
    if demands is None:
        asked.dismiss()
        return _DENY, {}
    return (verifiers.cosign if one.kind == "cosign" else verifiers.notation)(one, asked), demands


def _demands(one: Validator, asked: Section, comments: list[str], account: ImportAccount) -> dict[str, YamlTree] | None:
    root = asked.text("trustRoot") or asked.text("key") or "default"
    threshold, required = asked.number("threshold"), asked.texts("required")
    wanted = list(dict.fromkeys(required if root == "*" else [root, *required]))
    if unknown := [name for name in wanted if name not in one.signers]:
        why = f"the validator has no trust root {quoted(unknown[0])} that can be used; images are denied"
        comments.append(account.gap(asked.at("trustRoot"), why))
        return None
    names: list[YamlTree] = [one.signers[name] for name in wanted]
    demands: dict[str, YamlTree] = {}
    if root == "*" and one.kind == "cosign":
        count = threshold or (0 if required else len(one.signers))
        if count > len(one.signers):
            why = f"signatures were counted there, signers are here: all {len(one.signers)} are asked for, not {count}"
            comments.append(account.gap(asked.at("threshold"), why))
            count = len(one.signers)
        demands = {"threshold": count} if count > 1 else {}
    if names and (root == "*" or len(one.signers) > 1):
        demands["required"] = names
    return demands


def _note_order(kept: Sequence[tuple[Section, str, Converted]], rules: list[Noted], account: ImportAccount) -> None:
    """Whether the last rule changes places with one before it."""
    section, written, last = kept[-1]
    for other, theirs, before in kept[:-1]:
        there = components(written) - components(theirs)
        here = last.pattern.specificity, before.pattern.specificity
        apart = last.registry is not None and before.registry is not None and last.registry != before.registry
        if apart or not there or (here[0] >= here[1] if there > 0 else here[0] <= here[1]):
            continue
        why = f"for images that match {other.at('pattern')}, too, another one of the two wins here"
        rules[-1] = Noted(rules[-1].value, [*rules[-1].comments, account.gap(section.at("pattern"), why)])


def _pin(
    made: ImportedRules,
    unpinned: Sequence[bool],
    kept: Sequence[tuple[Section, str, Converted]],
    account: ImportAccount,
) -> None:
    made.pins = not (unpinned and all(unpinned))
    if made.pins and any(unpinned):
        why = f"`mode: {_UNPINNED}` is for all rules or none here; tags of these rules' images are pinned, too"
        made.lost.append(account.gap(f"{kept[0][0].path.rpartition('[')[0]}[*].with.mode", why))
