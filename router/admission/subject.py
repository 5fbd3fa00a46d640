"""What an event says of the request and of whose object it is about. Pure."""

from __future__ import annotations

from router.admission.request_context import RequestContext
from router.events import RequestData, WorkloadData, top_owner

GROUPS_TOLD = 100
"""Groups of a user that an event names."""


def request_data(asked: RequestContext) -> RequestData:
    """What was asked, and by whom."""
    request, workload = asked.request, asked.workload
    return {
        "uid": request.uid,
        "operation": request.operation,
        "api_version": request.api_version,
        "kind": request.kind,
        "subresource": request.subresource,
        "namespace": request.namespace,
        "name": request.name or workload.name,
        "generate_name": workload.generate_name,
        "user": {"name": request.user, "groups": list(request.groups[:GROUPS_TOLD])},
        "dry_run": request.dry_run,
    }


def workload_data(asked: RequestContext) -> WorkloadData:
    """The object, and whose it is in the end."""
    request, workload = asked.request, asked.workload
    name = request.name or workload.name or workload.generate_name
    return {
        "api_version": request.api_version,
        "kind": request.kind,
        "name": name,
        "owner": workload.owner,
        "uid": workload.uid,
        "top_owner": top_owner(
            request.api_version, request.kind, workload.generate_name or name, workload.owner, workload.template_hash
        ),
    }
