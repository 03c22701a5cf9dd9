"""Everything this project raises.

LastSecondError
├── ConfigError      a setting is wrong; the text names it and what is allowed
├── WireError        bytes from the exchange that are not what its protocol says
├── SourceError      an HTTP request that brought no usable answer, after its retries
├── FeedError        a market stream that could not be opened
├── NotSentError     a request that provably never left this machine
├── LineError        a request that left, and whose answer never came whole
├── VenueError       an order that cannot be made ready; nothing was sent
├── WorldError       this program cannot start here (a file, a port, a mode)
├── LedgerError      the ledger could not be opened, read or written
└── LockedError      another process trades this wallet
"""


class LastSecondError(Exception):
    """Base of every error of this project; its text is one line for a person."""


class ConfigError(LastSecondError):
    """A setting is missing, malformed or out of range."""


class WireError(LastSecondError):
    """The exchange sent bytes that do not decode to a known value."""


class SourceError(LastSecondError):
    """An HTTP request failed for good: refused, or out of retries or time."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        """``status`` is the HTTP status of a refusal; None without an answer."""
        super().__init__(reason)
        self.status = status


class FeedError(LastSecondError):
    """A market stream could not be opened."""


class NotSentError(LastSecondError):
    """A request provably never left this machine."""


class LineError(LastSecondError):
    """A request left and its answer never came whole: it may have been executed."""


class VenueError(LastSecondError):
    """A market's orders cannot be made ready; nothing was sent."""


class WorldError(LastSecondError):
    """The program cannot start: a folder, a port or a mode is not to be had."""


class LedgerError(LastSecondError):
    """The ledger could not be opened, read or written: no order may be sent."""


class LockedError(LastSecondError):
    """Another process holds the wallet, or nobody can tell: only one may trade it."""
