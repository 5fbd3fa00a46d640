"""Why an image has its verdict: a closed set of public codes for each verdict, with what they mean and what to do.

Rules:
(1) A code is a text that labels metrics and stands in events, messages and documentation; it never changes meaning.
(2) Codes are distinct within a verdict. One word may stand for two things under two verdicts: `too_large` evidence is
    `invalid`, a `too_large` answer of a registry `unverifiable`.
(3) Each code has a meaning and a remedy, which stand here and nowhere else: messages take the remedy from it, and
    docs/reasons.md is made of both.
"""

from __future__ import annotations

from collections.abc import Mapping

from router.reasons.code import ASK_REGISTRY, SIGN, TARGET, Reason
from router.reasons.flaws import EvidenceFlaw
from router.verdict import Verdict

__all__ = [
    "REASONS",
    "TARGET",
    "Absence",
    "Denial",
    "Distrust",
    "EvidenceFlaw",
    "Exemption",
    "Obstacle",
    "Proof",
    "Reason",
]


class Proof(Reason):
    """Why `verified`."""

    SIGNED = (
        "signed",
        "Enough of the signers that the rule asks for have signed this digest.",
        "There is nothing to do.",
    )


class Absence(Reason):
    """Why `unsigned`."""

    NO_SIGNATURE = (
        "no_signature",
        "All places were looked at, and none holds a signature of this digest. Attestations are no signatures.",
        SIGN,
    )


class Distrust(Reason):
    """Why `untrusted`: what sound signatures lack."""

    UNTRUSTED_SIGNER = (
        "untrusted_signer",
        "Nobody of those who are trusted has signed.",
        SIGN,
    )
    TOO_FEW_SIGNERS = (
        "too_few_signers",
        "Fewer different signers have signed than the rule's `threshold`; signing twice counts once.",
        SIGN,
    )
    REQUIRED_SIGNER_MISSING = (
        "required_signer_missing",
        "Signers that the rule names under `required` have not signed.",
        SIGN,
    )
    ANNOTATION_MISSING = (
        "annotation_missing",
        "No signature of a trusted signer has all the annotations that the rule asks for.",
        f"Sign it with the annotations that are wanted: cosign sign -a NAME=VALUE --key ... {TARGET}",
    )
    CONDITION_NOT_MET = (
        "condition_not_met",
        "An attestation by a trusted signer does not meet the verifier's condition (`attestation.where`).",
        "Compare the attestation with the condition: cosign download attestation shows it.",
    )
    UNTRUSTED_CERTIFICATE = (
        "untrusted_certificate",
        "The identity is wanted, but no certificate authority of the trust root has issued its certificate.",
        "Sign with the Sigstore instance of the verifier's `trust_root`, or renew that root.",
    )
    SCT_MISSING = (
        "sct_missing",
        "No certificate log of the trust root has promised to hold the signer's certificate.",
        "Let the authority use a certificate log that the trust root knows; a private one without says `sct: ignore`.",
    )
    NOT_LOGGED = (
        "not_logged",
        "The signature is in no transparency log of the trust root.",
        "Sign it again without leaving out the log, and with the instance of the verifier's `trust_root`.",
    )
    NOT_TIMESTAMPED = (
        "not_timestamped",
        "The signature has no timestamp of an authority of the trust root.",
        "Sign it again with a timestamp: cosign sign --timestamp-server-url ...",
    )
    TIME_NOT_PROVEN = (
        "time_not_proven",
        "Nobody who is trusted says when a short-lived certificate was used: neither a timestamp nor a log's promise.",
        "Sign it again with a timestamp, or with a log that promises the time.",
    )
    REVOKED = (
        "revoked",
        "Whoever issued a trusted signer's certificate, or one above it, does not stand by it any more.",
        "Find out why it was revoked; if the image is still to be trusted, sign it again with another certificate.",
    )


class Obstacle(Reason):
    """Why `unverifiable`: what came between us and the evidence."""

    NOT_FOUND = (
        "not_found",
        "The registry has no such image, or no such tag.",
        "Check name and tag, and that the image was pushed.",
    )
    UNAUTHORISED = (
        "unauthorised",
        "The registry or its token service answered 401 or 403.",
        "Check the name; if it is right, Gatecrier needs credentials for this registry (`registries`).",
    )
    RATE_LIMITED = (
        "rate_limited",
        "The registry or its token service answered 429, and would not be asked again within the deadline.",
        ASK_REGISTRY,
    )
    UNREACHABLE = (
        "unreachable",
        "No connection to the registry, a broken one, or answers 5xx, each time within the deadline.",
        ASK_REGISTRY,
    )
    TIMEOUT = (
        "timeout",
        "There was no answer, or no time to check all evidence, within the deadline.",
        ASK_REGISTRY,
    )
    OVERLOADED = (
        "overloaded",
        "Too many images waited to be verified, or no socket, port or memory was left to ask with.",
        "Try again; if it stays so, ask for fewer images at once, and look for who asks for many.",
    )
    NO_DIGEST = (
        "no_digest",
        "It runs, and its node names no digest of a repository: it was loaded by hand, or the runtime does not say.",
        "Deploy it from a registry; what a registry does not have can't be verified.",
    )
    MALFORMED_ANSWER = (
        "malformed_answer",
        "The registry gave an answer that the specification does not allow, or other bytes than the digest names.",
        ASK_REGISTRY,
    )
    TOO_LARGE = (
        "too_large",
        "An answer of the registry is beyond our limits of size or count.",
        ASK_REGISTRY,
    )
    FORBIDDEN_ADDRESS = (
        "forbidden_address",
        "The name leads to a link-local or metadata address.",
        "Check the name; Gatecrier connects to no link-local or metadata address.",
    )
    TRUST_ENDED = (
        "trust_ended",
        "What vouches for those who may sign has run out, and nothing newer has come.",
        "Ask whoever runs Gatecrier to renew what vouches for those who may sign.",
    )
    TRUST_MISSING = (
        "trust_missing",
        "The verifier's trusted root has not been fetched from its repository yet.",
        "Try again soon; if it stays so, ask whoever runs Gatecrier for `gatecrier trust refresh`.",
    )
    REVOCATION_UNKNOWN = (
        "revocation_unknown",
        "Nobody could be asked whether a trusted signer's certificate was revoked, or no answer counts.",
        "Try again; if it stays so, ask whoever issues the signer's certificates.",
    )
    INTERNAL_ERROR = (
        "internal_error",
        "A verifier failed; the cause is in Gatecrier's log.",
        "Try again; if it stays so, tell whoever runs Gatecrier: its log has the cause.",
    )
    UNANSWERED = (
        "unanswered",
        "The API server went away before there was a verdict, so that nobody waited for one.",
        ASK_REGISTRY,
    )


class Denial(Reason):
    """Why `denied`."""

    NO_RULE = (
        "no_rule",
        "No rule of the policy names this image.",
        "Add a rule to the policy, or use an image that a rule names.",
    )
    INVALID_REFERENCE = (
        "invalid_reference",
        "The text is no image reference.",
        "Write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.",
    )
    STATIC_DENY = (
        "static_deny",
        "The rule's verifier refuses every image.",
        "Use an image that the policy lets pass.",
    )
    NOT_PINNED = (
        "not_pinned",
        "With `webhook.pin_digests`: it is proven, but written as a tag that /mutate should have pinned.",
        "Deploy it by digest, or find out why /mutate was not asked before /validate.",
    )


class Exemption(Reason):
    """Why `exempt`."""

    STATIC_ALLOW = (
        "static_allow",
        "The rule's verifier lets every image pass unseen.",
        "There is nothing to do.",
    )
    EXEMPTION = (
        "exemption",
        "It fails, and an exemption (`exemptions`) lets it in until its end; the detail has the true verdict.",
        "Mend what the detail says before the exemption ends.",
    )


REASONS: Mapping[Verdict, type[Reason]] = {
    Verdict.VERIFIED: Proof,
    Verdict.UNSIGNED: Absence,
    Verdict.UNTRUSTED: Distrust,
    Verdict.INVALID: EvidenceFlaw,
    Verdict.UNVERIFIABLE: Obstacle,
    Verdict.DENIED: Denial,
    Verdict.EXEMPT: Exemption,
}
"""The codes of each verdict that is given."""
