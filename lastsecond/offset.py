"""How far the exchange's clock is from this machine's, as an interval that is certain.

The exchange tells its time in whole seconds (GET /time, 2026-10). An answer alone is
worth a second; asked so that the second flips while the request is under way, each one
halves what is left, down to about one round trip. All times are nanoseconds; a machine
time is of any clock of this machine that only drifts, so take the monotonic one.
"""

from enum import Enum, StrEnum

from lastsecond.market import MILLISECOND, NANOSECONDS

DRIFT_PPM = 100
"""How fast two clocks may part, at worst: an undisciplined crystal."""

STREAM_TOLERANCE = 100_000_000
"""How far the clock behind the stream's timestamps may be ahead of /time's."""

_STREAM_MEMORY = 60 * NANOSECONDS
_MARGIN = 5_000_000


class OffsetFault(StrEnum):
    """Why the exchange's time cannot be acted on."""

    UNKNOWN = "unknown"  # never measured, or too long ago, or in dispute
    BEYOND = "beyond"  # this machine's clock is further off than allowed


class Aim(Enum):
    """Which value of the offset a request is timed to tell from the ones beside it."""

    CENTRE = "centre"  # halves the interval
    HIGH = "high"  # shows whether the offset has passed the upper bound
    LOW = "low"  # shows whether it has passed the lower one


class OffsetEstimate:
    """Bounds of the exchange's time minus a machine time.

    The true offset lies inside as long as /time floors an honest clock and the clocks
    part by at most ``drift_ppm``.
    """

    def __init__(self, drift_ppm: int = DRIFT_PPM) -> None:
        self.samples = 0
        """How many answers of /time the bounds rest on."""
        self._drift_ppm = drift_ppm
        self._low = self._high = self._as_of = 0
        self._floor: tuple[int, int] | None = None

    def sample(self, sent: int, received: int, second: int) -> bool:
        """Take an answer of /time: ``second`` was true at some instant of the flight.

        False when it contradicts what was known: one of the clocks was set. Then the
        estimate starts anew from this answer alone.
        """
        unrest = self._drift(received - sent)
        low = second * NANOSECONDS - received - unrest
        high = (second + 1) * NANOSECONDS - sent + unrest
        if self.samples:
            aged = self._drift(received - self._as_of)
            kept = max(low, self._low - aged), min(high, self._high + aged)
        else:
            kept = low, high
        consistent = kept[0] <= kept[1]
        if consistent:
            self.samples += 1
            self._low, self._high = kept
        else:
            self.samples = 1
            self._low, self._high = low, high
            self._floor = None
        self._as_of = received
        return consistent

    def at_least(self, timestamp_ms: int, received: int) -> None:
        """Take a stream's timestamp: no message comes before it was sent.

        Another server wrote it, so it counts less than /time: it may raise the lower
        bound, with STREAM_TOLERANCE, but never past the upper one; see ``disputed``.
        """
        floor = timestamp_ms * MILLISECOND - received - STREAM_TOLERANCE
        known = self._stream_floor(received)
        if known is None or floor >= known:
            self._floor = floor, received

    def widen(self, by: int) -> None:
        """Allow for a change of the offset by up to ``by``, either way."""
        self._low -= by
        self._high += by
        self._floor = None

    def bounds(self, at: int) -> tuple[int, int] | None:
        """The lowest and highest possible offset at a machine time; None if unknown."""
        if not self.samples:
            return None
        aged = self._drift(at - self._as_of)
        low, high = self._low - aged, self._high + aged
        floor = self._stream_floor(at)
        return (low if floor is None or floor > high else max(low, floor)), high

    def centre(self, at: int) -> int | None:
        """The middle of the bounds."""
        bounds = self.bounds(at)
        return None if bounds is None else sum(bounds) // 2

    def width(self, at: int) -> int | None:
        """From the lower bound to the upper one."""
        bounds = self.bounds(at)
        return None if bounds is None else bounds[1] - bounds[0]

    def uncertainty(self, at: int) -> int | None:
        """How far the centre may be off, the stream's claims included."""
        bounds = self.bounds(at)
        if bounds is None:
            return None
        low, high = bounds
        claim = max(high, self._stream_floor(at) or high)
        return claim - (low + high) // 2

    def disputed(self, at: int) -> bool:
        """Whether the stream's timestamps say that it is later than /time allows."""
        bounds, floor = self.bounds(at), self._stream_floor(at)
        return bounds is not None and floor is not None and floor > bounds[1]

    def next_send(self, earliest: int, flight: int, aim: Aim) -> int:
        """When to send a request that takes ``flight`` both ways, at or after then."""
        bounds = self.bounds(earliest)
        if bounds is None:
            return earliest
        low, high = bounds
        beside = flight // 2 + _MARGIN
        offset = {
            Aim.CENTRE: (low + high) // 2,
            Aim.HIGH: high + beside,
            Aim.LOW: low - beside,
        }[aim]
        early = offset + flight // 2
        return -(-(earliest + early) // NANOSECONDS) * NANOSECONDS - early

    def _drift(self, elapsed: int) -> int:
        return -(-abs(elapsed) * self._drift_ppm // 1_000_000)

    def _stream_floor(self, at: int) -> int | None:
        """What the stream's timestamps of the last minute say at least."""
        if self._floor is None:
            return None
        floor, received = self._floor
        age = at - received
        return None if age > _STREAM_MEMORY else floor - self._drift(age)
