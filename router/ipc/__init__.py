"""Messages between our own processes: frames over Unix sockets, many questions under way, each with its answer."""

from router.ipc.line import Line
from router.ipc.peer import (
    Answerer,
    AnswerListener,
    AnswerTaker,
    Peer,
    PeerError,
    PeerGoneError,
    PeerRefusedError,
    PromptAnswerer,
)

__all__ = [
    "AnswerListener",
    "AnswerTaker",
    "Answerer",
    "Line",
    "Peer",
    "PeerError",
    "PeerGoneError",
    "PeerRefusedError",
    "PromptAnswerer",
]
