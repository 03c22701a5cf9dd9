"""Knows what time it is at the exchange: asks GET /time now and then, never in a rush.

Between two measurements time goes on by this machine's monotonic clock, so setting the
machine's clock moves nothing. What a measurement corrects takes effect at once, and
only while ``quiet()`` is false: from shortly before a trigger until its market's close
the exchange's time neither jumps nor costs a request.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from lastsecond.background import Background
from lastsecond.errors import SourceError, WireError
from lastsecond.market import MILLISECOND, NANOSECONDS
from lastsecond.offset import Aim, OffsetEstimate, OffsetFault
from lastsecond.ports import Clock, JsonSource
from lastsecond.wire import clob

QUIET_LEAD = 6 * NANOSECONDS
"""How long before a trigger the exchange's time is left unasked."""

NEAR = 10 * NANOSECONDS
"""How long before a close nothing may hold up the event loop."""

UNCERTAINTY_LIMIT = 250_000_000
"""Nanoseconds by which the offset may be off and still counts as known."""

INTERVAL = 30.0
"""Seconds between measurements."""

_RETRY_INTERVAL = 5.0
_LOOK_ROUND = 1.0
_LOOK = 0.25
_BUDGET = 1.5
_NARROW = 2_000_000
_WIDEST = UNCERTAINTY_LIMIT * 9 // 5
_ENOUGH = (Aim.CENTRE, Aim.HIGH, Aim.LOW)
_MOST_SAMPLES = 16
_STEPPED = 50_000_000
_NOTABLE = 50_000_000
_OFF = NANOSECONDS

logger = logging.getLogger(__name__)


class Calendar:
    """The closes to come, and whether one is near."""

    def __init__(self, now: Callable[[], int], trigger: int) -> None:
        self.now = now
        """Reads the time; the exchange's once there is one that knows it."""
        self._lead = trigger + QUIET_LEAD
        self._closes: set[int] = set()

    def expect(self, close: int) -> None:
        """Note that a market closes at ``close``, Unix ns."""
        self._closes.add(close)

    async def calm(self) -> None:
        """Wait until no market is in its last seconds."""
        while self.quiet():  # noqa: ASYNC110  there is no event but time
            await asyncio.sleep(_LOOK)

    def near(self) -> bool:
        """Whether some market closes within NEAR."""
        now = self.now()
        return any(0 <= close - now <= NEAR for close in self._closes)

    def quiet(self) -> bool:
        """Whether some market is in its last seconds: no request but its order."""
        now = self.now()
        self._closes = {close for close in self._closes if close > now}
        return any(close - now <= self._lead for close in self._closes)


class ExchangeTime(Background):
    """The exchange's time; measures as long as it is entered, or run() runs.

    A measurement takes one request a second: a dozen or so at first, then three, every
    30 s. ``clock`` is the machine's own.
    """

    def __init__(
        self,
        source: JsonSource,
        clock: Clock,
        url: str,
        *,
        quiet: Callable[[], bool] | None = None,
    ) -> None:
        """``url`` is the exchange's /time. While ``quiet()``, nothing is sent."""
        self._source = source
        self._clock = clock
        self._url = url
        self._quiet = quiet or (lambda: False)
        self._estimate = OffsetEstimate()
        self._flights = deque[int](maxlen=8)
        self._ahead: int | None = None
        """What is added to the monotonic clock; None before it was ever known."""
        self._relation = clock.now() - clock.monotonic()
        self._dispute_told = False
        self._failures = 0
        self._told: int | None = None

    # -- what is known --

    def now(self) -> int:
        """The exchange's time, Unix ns; the machine's until it was first known."""
        if self._ahead is None:
            return self._clock.now()
        return self._clock.monotonic() + self._ahead

    @property
    def offset(self) -> int:
        """How far the machine's clock is behind the exchange's, ns; 0 until known."""
        return 0 if self._ahead is None else self.now() - self._clock.now()

    @property
    def uncertainty(self) -> int | None:
        """How far ``now()`` may be off, ns; None until the offset is known.

        It grows with time, and by as much as the machine's clock was set or the
        machine slept.
        """
        at = self._clock.monotonic()
        centre, half = self._estimate.centre(at), self._estimate.uncertainty(at)
        if self._ahead is None or centre is None or half is None:
            return None
        return half + abs(self._ahead - centre) + self._stepped()

    @property
    def known(self) -> bool:
        """Whether the offset is known well enough to act on."""
        uncertainty = self.uncertainty
        return uncertainty is not None and uncertainty <= UNCERTAINTY_LIMIT

    def fault(self, limit: int) -> OffsetFault | None:
        """Why not to act on this time, an offset of at most ``limit`` ns allowed."""
        if not self.known:
            return OffsetFault.UNKNOWN
        return OffsetFault.BEYOND if abs(self.offset) > limit else None

    def heard(self, timestamp_ms: int) -> None:
        """Take the timestamp of a message of the stream that has just come."""
        self._estimate.at_least(timestamp_ms, self._clock.monotonic())

    # -- finding out --

    async def run(self) -> None:
        """Measure, rest, and so on until cancelled."""
        while True:
            if not self._quiet():
                await self._measure()
            await self._rest()

    async def _rest(self) -> None:
        """Return when it is time to measure, or when there is reason to doubt."""
        pause = INTERVAL if self.known and not self._failures else _RETRY_INTERVAL
        due = self._clock.monotonic() + round(pause * NANOSECONDS)
        while True:
            await self._clock.sleep(_LOOK_ROUND)
            now = self._clock.monotonic()
            disputed = self._estimate.disputed(now) and not self._dispute_told
            doubt = disputed or self._stepped() > _STEPPED
            if now >= due or (doubt and not self._failures):
                return

    async def _measure(self) -> None:
        """Ask until the bounds are narrow and both were put to the test."""
        for number in range(_MOST_SAMPLES):
            self._absorb_step()
            width = self._estimate.width(self._clock.monotonic())
            wide = width is None or width > self._narrow()
            if number >= len(_ENOUGH) and not wide:
                break
            if not await self._sample(Aim.CENTRE if wide else _ENOUGH[number]):
                return
        self._tell()
        self._tell_dispute()

    async def _sample(self, aim: Aim) -> bool:
        """One request at the moment that tells most; False when none was answered."""
        flight = self._flight()
        now = self._clock.monotonic()
        send = self._estimate.next_send(now, flight, aim)
        await self._clock.sleep((send - now) / NANOSECONDS)
        if self._quiet():
            return False
        sent = self._clock.monotonic()
        try:
            body = await self._source.get(self._url, budget=_BUDGET)
            received = self._clock.monotonic()
            second = clob.decode_time(body)
        except (SourceError, WireError) as error:
            self._complain(str(error))
            return False
        self._failures = 0
        self._flights.append(received - sent)
        before = self._estimate.centre(received)
        if not self._estimate.sample(sent, received, second) and before is not None:
            logger.warning(
                "CLOCK the exchange's clock was set, or this machine slept: measuring "
                "anew (second=%d expected=%.3f)",
                second,
                (before + received) / NANOSECONDS,
            )
        self._apply(received)
        return True

    def _apply(self, at: int) -> None:
        """Let the estimate be the time from now on, if it is good and all is quiet."""
        centre, half = self._estimate.centre(at), self._estimate.uncertainty(at)
        if centre is None or half is None or half > UNCERTAINTY_LIMIT or self._quiet():
            return
        self._ahead = centre

    @property
    def round_trip(self) -> int | None:
        """The median of the last requests there and back, ns; None before three."""
        flights = sorted(self._flights)
        return flights[len(flights) // 2] if len(flights) > 2 else None

    def _flight(self) -> int:
        """The shortest round trip of late: a new connection takes several."""
        return min(self._flights, default=0)

    def _narrow(self) -> int:
        return max(_NARROW, min(self._flight() * 3 // 2, _WIDEST))

    def _stepped(self) -> int:
        """How far the machine's two clocks parted since they were last compared.

        Either the one was set or the other stood still while the machine slept.
        """
        relation = self._clock.now() - self._clock.monotonic()
        return abs(relation - self._relation)

    def _absorb_step(self) -> None:
        """Allow for either: one leaves the offset as it was, the other does not."""
        if (step := self._stepped()) > _STEPPED:
            self._relation = self._clock.now() - self._clock.monotonic()
            self._estimate.widen(step)
            logger.warning("CLOCK of this machine was set by %.3f s", step / _OFF)

    # -- saying it --

    def _tell(self) -> None:
        """Log the offset when it is first known and when it has changed notably."""
        offset, uncertainty = self.offset, self.uncertainty
        if uncertainty is None or not self.known:
            return
        if self._told is not None and abs(offset - self._told) <= _NOTABLE:
            return
        self._told = offset
        logger.info(
            "CLOCK offset_ms=%+.1f uncertainty_ms=%.1f samples=%d",
            offset / MILLISECOND,
            uncertainty / MILLISECOND,
            self._estimate.samples,
        )
        if abs(offset) > _OFF:
            logger.warning(
                "CLOCK of this machine is %.1f s %s the exchange's: set it by NTP",
                abs(offset) / _OFF,
                "behind" if offset > 0 else "ahead of",
            )

    def _tell_dispute(self) -> None:
        """Log once that stream and /time differ, after /time was asked again."""
        disputed = self._estimate.disputed(self._clock.monotonic())
        if disputed and not self._dispute_told:
            logger.warning(
                "CLOCK the stream's timestamps are ahead of %s: two clocks of the "
                "exchange differ",
                self._url,
            )
        self._dispute_told = disputed

    def _complain(self, reason: str) -> None:
        """Log the first of a row of failures loudly, the rest for the file."""
        level = logging.DEBUG if self._failures else logging.WARNING
        self._failures += 1
        logger.log(level, "CLOCK_UNREAD n=%d %s", self._failures, reason)
