"""Validators become verifiers. Pure.

Rules:
(1) What a rule of theirs says of a verification (log, SCT, level) our verifiers say: each combination that rules use
    is a verifier of its own, named after the validator.
(2) A trust root is a signer; a rule that chooses one asks for it (`required`).
(3) Only public keys and certificates are taken over, from within their PEM lines: whatever else stands there may be
    a secret.
(4) What can't be verified here is refused: a rule of such a validator has the verifier `deny`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from router.cli.importing.account import ImportAccount
from router.cli.importing.naming import name_of, quoted
from router.cli.importing.values import Section
from router.cli.importing.writing import File, Noted, YamlTree
from router.errors import GatecrierError
from router.expressions import full_match
from router.verification.keys import PublicKey

_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_REKOR = re.compile(r"(https://)?rekor\.sigstore\.dev/?")
_INSTANCE = ("rekorPubkey", "fulcioCert", "ctLogPubkey")
_LEVELS = ("strict", "permissive", "audit")
_KMS = re.compile(r"[a-z0-9]+://")


@dataclass(slots=True)
class Validator:
    """A validator of theirs, read once."""

    section: Section
    written: str
    """Its name there."""
    name: str
    """Its name here."""
    kind: str
    approves: bool | None = None
    signers: dict[str, str] = field(default_factory=dict)
    """Names of trust roots here, by those there."""
    parts: dict[str, YamlTree] = field(default_factory=dict)
    """What all verifiers that are made of it say."""
    comments: list[str] = field(default_factory=list)
    has_identities: bool = False
    names_log: bool = False

    @property
    def can_verify(self) -> bool:
        """Whether there is anybody who could have signed."""
        return bool(self.signers)


def read_validators(sections: list[Section], account: ImportAccount) -> dict[str, Validator]:
    """All validators, by their names there."""
    found: dict[str, Validator] = {}
    for section in sections:
        written = section.text("name") or "default"
        taken = {"allow", "deny", *(one.name for one in found.values())}
        one = Validator(section, written, name_of(written, taken), section.text("type") or "")
        match one.kind:
            case "static":
                one.approves = section.flag("approve") or False
            case "cosign":
                _read_cosign(one, account)
            case "notation":
                _read_notation(one, account)
            case _:
                section.dismiss()
                named = "Notary v1 (Docker Content Trust)" if one.kind.startswith("notary") else "this type"
                text = f"{named} is not verified here; images of its rules are denied until they are signed otherwise"
                one.comments.append(account.gap(section.at("type"), text))
        found[written] = one
    return found


def _read_cosign(one: Validator, account: ImportAccount) -> None:
    keys, identities = list[YamlTree](), list[YamlTree]()
    for root in one.section.sections("trustRoots"):
        written = root.text("name") or "default"
        name = name_of(written, one.signers.values())
        if "keyless" in root:
            if (identity := _identity(one, root.section("keyless"), name, account)) is None:
                continue
            identities.append(identity)
        elif (key := _key(one, root, name, account)) is not None:
            keys.append(key)
        else:
            continue
        one.signers[written] = name
    one.has_identities = bool(identities)
    one.parts = {**({"keys": keys} if keys else {}), **({"keyless": identities} if identities else {})}
    _read_instance(one, account)


def _key(one: Validator, root: Section, name: str, account: ImportAccount) -> YamlTree | None:
    text = root.text("key") or ""
    found = _KEY.search(text)
    if found is not None:
        try:
            PublicKey.from_pem(found[0].encode())
        except GatecrierError:
            found = None
    if found is not None:
        return {"name": name, "pem": _lines(found[0])}
    if _KMS.match(text):
        path = f"keys/{one.name}-{name}.pub"
        why = f"keys are not fetched from a KMS; make the file: cosign public-key --key (the URI there) > {path}"
        return Noted({"name": name, "file": path}, [account.gap(root.at("key"), why)])
    one.comments.append(account.gap(root.at("key"), "this is no public key in PEM that can be pinned; it is left out"))
    return None


def _identity(one: Validator, keyless: Section, name: str, account: ImportAccount) -> YamlTree | None:
    made: dict[str, YamlTree] = {"name": name}
    comments = list[str]()
    for theirs, ours in (("issuer", "issuer"), ("subject", "subject")):
        pattern, text = keyless.text(f"{theirs}Regex"), keyless.text(theirs)
        if text:
            made[ours] = text
        elif pattern and _is_expression(pattern):
            made[f"{ours}_regex"] = pattern
            if not _is_anchored(pattern):
                why = "an expression must match the whole here; write .* where something may stand before or after"
                comments.append(account.gap(keyless.at(f"{theirs}Regex"), why))
        else:
            why = f"there is no {theirs} that can be compared; the identity is left out"
            one.comments.append(account.gap(keyless.path, why))
            return None
    return Noted(made, comments)


def _is_anchored(pattern: str) -> bool:
    """Whether it matches the whole alike wherever it is looked for; an alternative beside others may not."""
    before = pattern.removesuffix("$")
    is_ended = before != pattern and not (len(before) - len(before.rstrip("\\"))) % 2  # else it is a dollar
    depth = 0
    for one in re.sub(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]", "", pattern, flags=re.DOTALL):
        depth += (one == "(") - (one == ")")
        if one == "|" and not depth:
            return False
    return pattern.startswith("^") and is_ended


def _is_expression(text: str) -> bool:
    try:
        full_match(text)
    except ValueError:
        return False
    return True


def _read_instance(one: Validator, account: ImportAccount) -> None:
    """A Sigstore instance of one's own."""
    raw = one.section.raw("host")
    own = list[str]()
    if isinstance(raw, dict):
        host = one.section.section("host")
        own = [host.at(key) for key in _INSTANCE if host.text(key)]
        rekor = host.text("rekor")
        path = host.at("rekor")
    else:
        rekor, path = one.section.text("host"), one.section.at("host")
    one.names_log = bool(rekor)
    if rekor and not _REKOR.fullmatch(rekor):
        own.insert(0, path)
    if own:
        file = f"trusted-root-{one.name}.json"
        why = f"a Sigstore instance of your own is one file here: make {file} with `cosign trusted-root create`"
        one.parts["trust_root"] = Noted(File(file), [account.gap(", ".join(own), why)])


def _read_notation(one: Validator, account: ImportAccount) -> None:
    stores = list[YamlTree]()
    for root in one.section.sections("trustRoots"):
        written = root.text("name") or "default"
        name = name_of(written, one.signers.values())
        if (pem := certificates(root.text("cert"))) is None:
            why = "there is no certificate in PEM; the trust root is left out"
            one.comments.append(account.gap(root.at("cert"), why))
            root.raw("tsCert")
            continue
        one.signers[written] = name
        stores.append({"name": name, "type": "ca", "pem": pem})
        if (times := certificates(root.text("tsCert"))) is not None:
            stores.append({"name": f"{name}-time", "type": "tsa", "pem": times})
    one.parts = {"trust_stores": stores, "identities": ["*"]}


def certificates(text: str | None) -> str | None:
    """The certificates in a text, and nothing else that stands there."""
    return "".join(map(_lines, _CERTIFICATE.findall(text or ""))) or None


def _lines(pem: str) -> str:
    return "".join(f"{line.strip()}\n" for line in pem.splitlines() if line.strip())


@dataclass(slots=True)
class Verifiers:
    """The verifiers that rules need, in the order in which they needed them."""

    account: ImportAccount
    is_log_asked: bool = True
    """Whether signatures must be in a log where nothing is said: in 3.x; in 2.x only where a host is named."""
    made: dict[str, Noted] = field(default_factory=dict)

    def cosign(self, one: Validator, asked: Section) -> str:
        """The verifier of a validator of type cosign for a rule."""
        said, sct = asked.flag("verifyInTransparencyLog"), asked.flag("verifySCT")
        usual = self.is_log_asked or one.names_log
        log = usual if said is None else said
        name, parts = one.name, dict(one.parts)
        parts["transparency_log"] = "required" if log else "ignore"
        if log != usual:
            name += "-log" if log else "-no-log"
        if sct is False and one.has_identities:
            name, parts["sct"] = f"{name}-no-sct", "ignore"
        return self._named(one, name, {"kind": "cosign", **parts})

    def notation(self, one: Validator, asked: Section) -> str:
        """The verifier of a validator of type notation for a rule."""
        level = asked.text("verificationLevel") or "strict"
        if level not in _LEVELS:
            why = "this is no level; all checks bind"
            one.comments.append(self.account.gap(asked.at("verificationLevel"), why))
            level = "strict"
        after_expiry = asked.text("verifyTimestamp") == "afterCertExpiry"
        parts: dict[str, YamlTree] = {"kind": "notation", **one.parts, "level": level}
        if level == "strict":
            parts["override"] = {"revocation": "enforce"}
        if after_expiry:
            parts["verify_timestamp"] = "after_cert_expiry"
        name = one.name + ("" if level == "strict" else f"-{level}") + ("-after-expiry" if after_expiry else "")
        return self._named(one, name, parts)

    def _named(self, one: Validator, name: str, parts: dict[str, YamlTree]) -> str:
        if name not in self.made:
            renamed = [] if one.written == one.name else [f"validator {quoted(one.written)}"]
            self.made[name] = Noted({"name": name, **parts}, [*renamed, *one.comments])
            one.comments = []
        return name
