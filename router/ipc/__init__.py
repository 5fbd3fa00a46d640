"""Messages between our own processes: frames over Unix sockets, many questions under way, each with its answer."""

from router.ipc.line import Line
from router.ipc.peer import Answered, Answerer, Peer, PeerError, PeerGoneError, PeerRefusedError

__all__ = ["Answered", "Answerer", "Line", "Peer", "PeerError", "PeerGoneError", "PeerRefusedError"]
