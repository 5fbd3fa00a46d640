"""The answer when everything else has failed: it uses nothing that could have failed, and looks nothing up."""

from __future__ import annotations

import contextlib
import json

from router.telemetry.logs import logger

log = logger()

PROBLEM = "the request could not be judged, since Gatecrier itself failed; tell whoever runs Gatecrier"
_LAST = (
    '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":%s,"allowed":%s,'
    '"status":{"status":"Failure","code":403,"reason":"Forbidden","message":%s},"warnings":[%s]}}'
)


def last_review(uid: str, problem: str = PROBLEM, *, is_allowed: bool, blocks: bool) -> bytes:
    """The review that answers, where a refusal is in force or not."""
    warned = f"gatecrier{'' if blocks else ' (detect)'}: {problem}"
    told = json.dumps(uid), "true" if is_allowed else "false", json.dumps(problem), json.dumps(warned)
    return (_LAST % told).encode(errors="replace")


def said_in_log(event: str, error: BaseException | None = None) -> None:
    """Log, where logging may be what has failed."""
    with contextlib.suppress(Exception):  # there is no boundary beyond the last: the answer would be lost for a line
        log.error(event, exc_info=error)
