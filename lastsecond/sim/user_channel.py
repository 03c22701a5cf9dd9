"""The user channel ``/ws/user``: an account's own orders and trades.

First frame ``{"type":"user","auth":{"apiKey","secret","passphrase"},"markets":[…]}``;
without ``markets`` it is all of them. Later ``{"operation":…,"markets":[…]}`` and PING.
Wrong credentials close the socket with 1008 (ours: what production does is not known).
"""

from typing import TYPE_CHECKING

from lastsecond.market import ConditionId
from lastsecond.sim.accounts import Account, Accounts
from lastsecond.sim.calls import RefusedError
from lastsecond.sim.channel import BadFrameError, Channel, Connection, parsed
from lastsecond.sim.frames import Json

if TYPE_CHECKING:
    from lastsecond.ports import Clock

_CREDENTIALS = ("apiKey", "secret", "passphrase")


class UserChannel(Channel):
    """Every user socket; ``connections`` and ``faults`` as on the market channel."""

    def __init__(self, clock: "Clock", accounts: Accounts) -> None:
        super().__init__(clock, lambda _: [])
        self._accounts = accounts
        self._holders: dict[Connection, Account] = {}
        self._markets: dict[Connection, set[str] | None] = {}

    def tell(self, account: Account, market: ConditionId, event: Json) -> None:
        """Send an event to the account's sockets that ask for this market."""

        def chosen(connection: Connection) -> bool:
            wanted = self._markets.get(connection)
            mine = self._holders.get(connection) is account
            return mine and (wanted is None or market in wanted)

        self.send(event, chosen)

    def take(self, connection: Connection, text: str) -> None:
        """One text frame of a client, PING excepted. Raises BadFrameError."""
        frame = parsed(text)
        if connection.started:
            self._update(connection, frame)
        else:
            self._start(connection, frame)

    def _start(self, connection: Connection, frame: Json) -> None:
        auth = frame.get("auth")
        if set(frame) | {"markets"} != {"type", "auth", "markets"}:
            raise BadFrameError("invalid subscription")
        if frame["type"] != "user" or not isinstance(auth, dict):
            raise BadFrameError("invalid subscription")
        if set(auth) != set(_CREDENTIALS):
            raise BadFrameError("invalid auth")
        try:
            account = self._accounts.holder(*(auth[key] for key in _CREDENTIALS))
        except RefusedError:
            raise BadFrameError("invalid auth") from None
        self._markets[connection] = None
        if "markets" in frame:
            self._markets[connection] = _markets(frame)
        self._holders[connection] = account
        connection.started = True

    def _update(self, connection: Connection, frame: Json) -> None:
        operation = frame.get("operation")
        if set(frame) != {"operation", "markets"}:
            raise BadFrameError("invalid operation")
        held = self._markets[connection] or set()
        if operation == "subscribe":
            self._markets[connection] = held | _markets(frame)
        elif operation == "unsubscribe":
            self._markets[connection] = held - _markets(frame)
        else:
            raise BadFrameError("invalid operation")


def _markets(frame: Json) -> set[str]:
    listed = frame["markets"]
    if not isinstance(listed, list) or not all(isinstance(row, str) for row in listed):
        raise BadFrameError("markets is not a list of ids")
    return set(listed)
