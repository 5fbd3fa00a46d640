"""What can be wrong with evidence: the codes of `invalid`. Pure."""

from __future__ import annotations

from router.reasons.code import SIGN_AGAIN, Reason


class EvidenceFlaw(Reason):
    """Why evidence is `invalid`."""

    MALFORMED = (
        "malformed",
        "It can't be read, or in more than one way.",
        SIGN_AGAIN,
    )
    DIGEST_MISMATCH = (
        "digest_mismatch",
        "Somebody who is trusted signed another digest, or the bytes are not those that the manifest names.",
        SIGN_AGAIN,
    )
    MEDIA_TYPE = (
        "media_type",
        "A layer or bundle of a type that holds no signature.",
        SIGN_AGAIN,
    )
    PAYLOAD_TYPE = (
        "payload_type",
        "An envelope around something else than what signatures of images sign.",
        SIGN_AGAIN,
    )
    STATEMENT_TYPE = (
        "statement_type",
        "A signature whose in-toto statement is of another version or kind.",
        SIGN_AGAIN,
    )
    CRITICAL_TYPE = (
        "critical_type",
        "A trusted key signed a payload that does not say that it is cosign's signature.",
        SIGN_AGAIN,
    )
    SIGNATURE_COUNT = (
        "signature_count",
        "A DSSE envelope with none or several signatures.",
        SIGN_AGAIN,
    )
    MESSAGE_SIGNATURE = (
        "message_signature",
        "A bundle around a bare signature: it does not say what it is about.",
        SIGN_AGAIN,
    )
    SIGNATURE = (
        "signature",
        "The key of the certificate that came along has not signed this.",
        SIGN_AGAIN,
    )
    CERTIFICATE = (
        "certificate",
        "A certificate that must not sign this, that says in a way that nobody understands what it may, or no chain.",
        "Sign it with a certificate for signing code, and its whole chain.",
    )
    KEY = (
        "key",
        "A certificate whose key is of a kind or size that must not sign.",
        "Sign it with a key of a kind that is allowed: EC P-256, P-384, P-521, or RSA from 2048 bits.",
    )
    ALGORITHM = (
        "algorithm",
        "A signature that says another algorithm than its key has.",
        SIGN_AGAIN,
    )
    CRITICAL_ATTRIBUTE = (
        "critical_attribute",
        "A signature that must not be used by whoever does not understand all that it says.",
        "Sign it without plugins and critical attributes of your own.",
    )
    EXPIRED = (
        "expired",
        "A signature that its signer has given an end, which has passed.",
        "Sign it again.",
    )
    IDENTITY = (
        "identity",
        "A certificate that names several subjects, or contradicts itself.",
        SIGN_AGAIN,
    )
    TIME = (
        "time",
        "A certificate was used outside its validity, as far as anybody trusted says when that was.",
        "Sign it again, with a certificate that is valid and a timestamp.",
    )
    LOG_ENTRY = (
        "log_entry",
        "A trusted log has not signed what is said of it, or holds another signature there.",
        SIGN_AGAIN,
    )
    TIMESTAMP = (
        "timestamp",
        "A timestamp that is wanted and not there, of another signature, or by no authority that signed it.",
        "Sign it again with a timestamp of an authority that is trusted.",
    )
    CONDITION_COST = (
        "condition_cost",
        "An attestation that says so much that what is asked of it (`attestation.where`) would take too long.",
        "Make the attestation smaller, or ask whoever runs Gatecrier for a condition that asks for less.",
    )
    MISSING = (
        "missing",
        "A manifest or blob that a list or manifest names and the registry does not give: not there, or refused (4xx).",
        "Copy the image with all of its signatures, or remove those that are not whole.",
    )
    TOO_MANY = (
        "too_many",
        "More layers, referrers or parts than are looked at.",
        "Remove the signatures and attestations that nobody needs.",
    )
    TOO_LARGE = (
        "too_large",
        "More bytes of evidence than are looked at.",
        "Remove the signatures and attestations that nobody needs.",
    )
