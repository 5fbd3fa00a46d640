"""Reads what is asked in the turn of the loop in which it comes, where that holds nobody up. Pure.

A new Pod is read at one go. Anything else that is small is, too, if it takes few steps: what takes many was made so,
and is left to whoever reads it in slices.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from router.admission.review import AdmissionRequest, read_review
from router.admission.workloads import Workload, read_new_pod, read_workload
from router.steps import Steps, finish

STEPS = 64
"""What API servers send takes twenty at most; these are a few milliseconds."""


def read_whole(
    body: memoryview, csi_drivers: AbstractSet[str], annotation: str = ""
) -> tuple[AdmissionRequest, Workload]:
    """What is asked, and what the object would run; no workload where the request has a problem.

    Raises:
        MsgspecError, UnicodeDecodeError, RecursionError, ReviewError, UnreadableJsonError: It needs the care of
            `read_review`.
        TooManyStepsError: It takes longer than others should wait.
    """
    if (found := read_new_pod(body, csi_drivers, annotation)) is not None:
        return found
    return finish(_read_whole(body, csi_drivers, annotation), STEPS)


def _read_whole(
    body: memoryview, csi_drivers: AbstractSet[str], annotation: str
) -> Steps[tuple[AdmissionRequest, Workload]]:
    request, objects = yield from read_review(body)
    if request.problem:
        return request, Workload()
    return request, (yield from read_workload(request, objects, csi_drivers, annotation))
