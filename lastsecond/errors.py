"""Everything this project raises.

LastSecondError
├── ConfigError      a setting is wrong; the text names it and what is allowed
├── WireError        bytes from the exchange that are not what its protocol says
├── SourceError      an HTTP request that brought no usable answer, after its retries
├── FeedError        a market stream that could not be opened
└── WorldError       this program cannot start here (a file, a port, a mode)
"""


class LastSecondError(Exception):
    """Base of every error of this project; its text is one line for a person."""


class ConfigError(LastSecondError):
    """A setting is missing, malformed or out of range."""


class WireError(LastSecondError):
    """The exchange sent bytes that do not decode to a known value."""


class SourceError(LastSecondError):
    """An HTTP request failed for good: refused, or out of retries or time."""


class FeedError(LastSecondError):
    """A market stream could not be opened."""


class WorldError(LastSecondError):
    """The program cannot start: a folder, a port or a mode is not to be had."""
