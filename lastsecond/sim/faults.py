"""Switches that make the simulated exchange misbehave; only scripts set them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from lastsecond.sim.order_faults import OrderFault

Manner = Literal["answer", "hang", "truncate", "reset"]


class Severable(Protocol):
    """A connection that can be cut."""

    def abort(self) -> None:
        """Drop the TCP connection without a close frame."""
        ...


@dataclass(kw_only=True)
class HttpFault:
    """What the next ``times`` requests for one path get instead of an answer.

    A path that ends in ``*`` stands for all that begin like it; ``/order`` has faults
    of its own (Faults.order).
    ``hang`` never answers, ``truncate`` promises more bytes than it sends, ``reset``
    resets the connection; ``answer`` sends status and body.
    """

    path: str
    manner: Manner = "answer"
    status: int = 500
    body: str = '{"error":"Internal Server Error"}'
    retry_after: str | None = None
    times: int = 1

    @property
    def content_type(self) -> str:
        """HTML for a body that looks like it, as an edge proxy would send."""
        return content_type(self.body)

    def meets(self, path: str) -> bool:
        """Whether a request for this path fails; does not count it."""
        if self.path.endswith("*"):
            return self.times > 0 and path.startswith(self.path[:-1])
        return self.times > 0 and path == self.path


def content_type(body: str) -> str:
    """HTML for a body that looks like it, JSON for any other."""
    return "text/html" if body.startswith("<") else "application/json"


@dataclass
class _Planned:
    """A fault waiting for its orders."""

    fault: "OrderFault"
    times: int
    token: str | None


@dataclass
class Faults:
    """What is wrong with the exchange now; connections are named by their index."""

    connections: Sequence[Severable] = field(repr=False)
    refuse_websockets: bool = False
    """Answer 503 to new websockets."""
    duplicate_frames: bool = False
    """Send every data frame twice."""
    reorder_frames: bool = False
    """Send data frames in pairs, the later one first."""
    omit_changes: int = 0
    """How many of the next price changes nobody is told of."""
    gamma_down: bool = False
    """Answer 502 with HTML on every Gamma path."""
    _frozen: set[int | None] = field(default_factory=set)
    _delays: dict[int | None, float] = field(default_factory=dict)
    _http: list[HttpFault] = field(default_factory=list)
    _orders: list[_Planned] = field(default_factory=list)

    def freeze(self, index: int | None = None) -> None:
        """Drop all data for that connection, or for all present and future ones.

        The socket stays open and PING is answered.
        """
        self._frozen.add(index)

    def thaw(self, index: int | None = None) -> None:
        """Undo freeze, for one connection or for all."""
        self._frozen = self._frozen - {index} if index is not None else set()

    def frozen(self, index: int) -> bool:
        """Whether data for that connection is dropped."""
        return not self._frozen.isdisjoint({index, None})

    def drop(self, index: int | None = None) -> None:
        """Cut the TCP connection of one socket, or of all."""
        chosen = self.connections if index is None else [self.connections[index]]
        for connection in chosen:
            connection.abort()

    def delay(self, seconds: float, index: int | None = None) -> None:
        """Hold every frame that long before sending it; 0 ends it."""
        self._delays[index] = seconds

    def delay_of(self, index: int) -> float:
        """Seconds by which that connection's frames are late."""
        return self._delays.get(index, self._delays.get(None, 0.0))

    def omit(self) -> bool:
        """Whether to keep this price change to ourselves; counts it."""
        if self.omit_changes <= 0:
            return False
        self.omit_changes -= 1
        return True

    def http(self, fault: HttpFault) -> None:
        """Let the next requests for ``fault.path`` fail like this."""
        self._http.append(fault)

    def http_fault(self, path: str) -> HttpFault | None:
        """The fault that this request meets; counts it."""
        for fault in self._http:
            if fault.meets(path):
                fault.times -= 1
                return fault
        return None

    def order(
        self, fault: "OrderFault", *, times: int = 1, token: str | None = None
    ) -> None:
        """Let the next orders meet this; with ``token``, only those that buy it.

        Faults queue up: the first that fits is used up first.
        """
        self._orders.append(_Planned(fault, times, token))

    def order_fault(self, token: str) -> "OrderFault | None":
        """The fault that an order for this token meets; counts it."""
        for planned in self._orders:
            if planned.times > 0 and planned.token in {None, token}:
                planned.times -= 1
                return planned.fault
        return None
