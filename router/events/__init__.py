"""The events: of an admission decision, and of Gatecrier itself; their shape, identity and encoding (pure)."""

from router.events.encoding import (
    BEGINNING,
    EVENT_LIMIT,
    decode,
    encode,
    reduced,
    with_sequence,
    without_sequence,
)
from router.events.json_text import as_json
from router.events.making import Origin, decision_event, event_id, timestamp, unreadable_event
from router.events.notices import NOTICE_TYPE, NoticeEvent, NoticeEventData, notice_schema, trouble_notice
from router.events.parts import DecisionParts
from router.events.schema import (
    CONTENT_TYPE,
    DECISION_TYPE,
    UNREADABLE_TYPE,
    CloudEvent,
    DecisionData,
    EventData,
    ImageData,
    OmittedData,
    OwnerData,
    RequestData,
    SignerData,
    UnreadableData,
    UserData,
    WorkloadData,
    event_schema,
)

__all__ = [
    "BEGINNING",
    "CONTENT_TYPE",
    "DECISION_TYPE",
    "EVENT_LIMIT",
    "NOTICE_TYPE",
    "UNREADABLE_TYPE",
    "CloudEvent",
    "DecisionData",
    "DecisionParts",
    "EventData",
    "ImageData",
    "NoticeEvent",
    "NoticeEventData",
    "OmittedData",
    "Origin",
    "OwnerData",
    "RequestData",
    "SignerData",
    "UnreadableData",
    "UserData",
    "WorkloadData",
    "as_json",
    "decision_event",
    "decode",
    "encode",
    "event_id",
    "event_schema",
    "notice_schema",
    "reduced",
    "timestamp",
    "trouble_notice",
    "unreadable_event",
    "with_sequence",
    "without_sequence",
]
