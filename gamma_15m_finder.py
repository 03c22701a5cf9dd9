"""GammaAPI15mFinder: which BTC and ETH 5- and 15-minute markets close next.

Two ways are asked at once and united by condition id: the search, whose index may lag,
and the slugs that must exist, whose form may change. If one fails, the other serves.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict
from zoneinfo import ZoneInfo

from config import Settings
from lastsecond.errors import SourceError, WireError
from lastsecond.market import NANOSECONDS, Asset, Interval, Window, windows_closing
from lastsecond.ports import Clock, JsonSource
from lastsecond.wire import gamma
from lastsecond.wire.gamma import JsonObject, Market, Refusal, Refused

EASTERN = ZoneInfo("America/New_York")
UTC_FORMAT = "%Y-%m-%d %H:%M:%S UTC"

_SLUGS_A_REQUEST = 20
_RESULTS_A_SEARCH = "50"
_REFUSALS_REMEMBERED = 2_000

logger = logging.getLogger(__name__)


class MarketInfo(TypedDict):
    """One market to trade: the owner's eight keys."""

    condition_id: str
    token_id_yes: str
    token_id_no: str
    end_time: str
    end_time_utc: str
    minutes_until_end: float
    title: str
    ticker: str


class GammaAPI15mFinder:
    """Finds markets that are open and close within ``max_minutes_ahead`` minutes."""

    def __init__(
        self,
        max_minutes_ahead: float = 20,
        *,
        source: JsonSource,
        clock: Clock,
        host: str,
        kinds: tuple[Sequence[Asset], Sequence[Interval]] = (
            tuple(Asset),
            tuple(Interval),
        ),
    ) -> None:
        """Ask ``host`` through ``source`` for the assets and intervals of ``kinds``."""
        self.max_minutes_ahead = max_minutes_ahead
        self.assets, self.intervals = kinds
        self._source = source
        self._clock = clock
        self._host = host
        self.answered = False
        """Whether any request of the last poll was answered."""
        self._failing: set[str] = set()
        self._logged: dict[tuple[str, Refusal], None] = {}

    async def find_active_market(self) -> list[MarketInfo] | None:
        """Every market to trade, the soonest first; None when none is found.

        Faults of the exchange are logged, never raised. Ends within 30 s.
        """
        now = self._now()
        self.answered = False
        self._failing.clear()
        answers = await asyncio.gather(
            *(self._events_by_slug(slugs) for slugs in self._slugs(now)),
            *(self.search_markets(query) for query in self.queries(now)),
        )
        if not self.answered:
            logger.error(
                "GAMMA_UNREACHABLE none of %d questions was answered", len(answers)
            )
            return None
        found = self.filter_markets([event for events in answers for event in events])
        return found or None

    async def search_markets(self, query: str) -> list[JsonObject]:
        """The open events that the search finds for ``query``; empty when it fails."""
        params = [
            ("q", query),
            ("events_status", "active"),
            ("limit_per_type", _RESULTS_A_SEARCH),
        ]
        return await self._events("/public-search", params)

    def filter_markets(self, events: Iterable[JsonObject]) -> list[MarketInfo]:
        """Those markets of ``events`` that are to be traded, the soonest first.

        Of a market told twice the first telling counts. Each refusal is counted by
        reason and logged once; none hides another market.
        """
        now = self._now()
        accepted: dict[str, Market] = {}
        refused: set[Refused] = set()
        for market in self._candidates(events, now):
            if isinstance(market, Refused):
                refused.add(market)
                self._log_once(market)
            else:
                accepted.setdefault(market.condition_id, market)
        refusals = Counter(market.reason for market in refused)
        counts = " ".join(f"{reason}={n}" for reason, n in sorted(refusals.items()))
        logger.info("FOUND markets=%d refused: %s", len(accepted), counts or "none")
        soonest = sorted(accepted.values(), key=lambda m: (m.end, m.slug))
        return [_described(market, now) for market in soonest]

    def queries(self, now: datetime) -> list[str]:
        """What to search for: each coin, with the Eastern hours that windows start in.

        A title begins like "Bitcoin Up or Down - November 22, 9:45AM-10:00AM ET".
        """
        longest = max(interval.seconds for interval in self.intervals)
        first = now - timedelta(seconds=longest)
        last = now + timedelta(minutes=self.max_minutes_ahead)
        quarters = range(int((last - first) / timedelta(minutes=15)) + 2)
        starts = (min(first + timedelta(minutes=15 * n), last) for n in quarters)
        hours = dict.fromkeys(_eastern_hour(start) for start in starts)
        return [
            f"{asset.title} Up or Down - {hour}"
            for asset in self.assets
            for hour in hours
        ]

    def _slugs(self, now: datetime) -> list[list[str]]:
        """The slugs that must exist, in lists of one request each."""
        until = now + timedelta(minutes=self.max_minutes_ahead)
        slugs = [
            window.slug
            for window in windows_closing(
                self.assets,
                self.intervals,
                int(now.timestamp()),
                int(until.timestamp()),
            )
        ]
        step = _SLUGS_A_REQUEST
        return [slugs[start : start + step] for start in range(0, len(slugs), step)]

    async def _events_by_slug(self, slugs: Sequence[str]) -> list[JsonObject]:
        return await self._events("/events", [("slug", slug) for slug in slugs])

    async def _events(
        self, path: str, params: Sequence[tuple[str, str]]
    ) -> list[JsonObject]:
        try:
            body = await self._source.get(self._host + path, params)
            events = gamma.decode_events(body)
        except (SourceError, WireError) as error:
            level = logging.DEBUG if path in self._failing else logging.ERROR
            self._failing.add(path)
            logger.log(level, "GAMMA_FAILED path=%s %s", path, error)
            return []
        self.answered = True
        return events

    def _candidates(
        self, events: Iterable[JsonObject], now: datetime
    ) -> Iterator[Market | Refused]:
        for event in events:
            for market in gamma.markets(event):
                if isinstance(market, Refused):
                    yield market
                elif reason := self._refusal(market, now):
                    yield Refused(market.slug, reason, "")
                else:
                    yield market

    def _refusal(self, market: Market, now: datetime) -> Refusal | None:
        """Why ``market`` is not to be traded; None when it is."""
        window = Window.from_slug(market.slug)
        checks = (
            (Refusal.CLOSED, market.closed),
            (Refusal.INACTIVE, not (market.active and market.event_open)),
            (Refusal.OTHER_KIND, window is None),
            (Refusal.OTHER_ASSET, window and window.asset not in self.assets),
            (Refusal.OTHER_INTERVAL, window and window.interval not in self.intervals),
            (Refusal.WINDOW_MISMATCH, window and not _agree(window, market)),
            (Refusal.UNKNOWN_VERSION, market.version not in {None, "v1"}),
            (Refusal.PAST, market.end <= now),
            (Refusal.TOO_FAR, self._minutes(market, now) > self.max_minutes_ahead),
        )
        return next((reason for reason, holds in checks if holds), None)

    @staticmethod
    def _minutes(market: Market, now: datetime) -> float:
        return (market.end - now) / timedelta(minutes=1)

    def _log_once(self, refused: Refused) -> None:
        key = (refused.slug, refused.reason)
        if key in self._logged:
            return
        self._logged[key] = None
        if len(self._logged) > _REFUSALS_REMEMBERED:
            del self._logged[next(iter(self._logged))]
        logger.debug(
            "REFUSED %s reason=%s %s", refused.slug, refused.reason, refused.detail
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now() / 1e9, UTC)


def finder_for(
    settings: Settings, source: JsonSource, clock: Clock, host: str
) -> GammaAPI15mFinder:
    """The finder that the settings ask for."""
    kinds = (settings.assets, settings.intervals)
    return GammaAPI15mFinder(
        settings.max_minutes_ahead, source=source, clock=clock, host=host, kinds=kinds
    )


def end_of(market: MarketInfo) -> datetime:
    """The market's close, aware, in UTC."""
    return datetime.strptime(market["end_time_utc"], UTC_FORMAT).replace(tzinfo=UTC)


def close_of(market: MarketInfo) -> int:
    """The market's close in Unix nanoseconds."""
    return int(end_of(market).timestamp()) * NANOSECONDS


def _agree(window: Window, market: Market) -> bool:
    """Whether the slug and the market's own times name the same window."""
    return (window.start, window.end) == (
        market.start.timestamp(),
        market.end.timestamp(),
    )


def _eastern_hour(moment: datetime) -> str:
    """The part of a title after the coin's name, such as "November 22, 9:"."""
    eastern = moment.astimezone(EASTERN)
    return f"{eastern:%B} {eastern.day}, {eastern.hour % 12 or 12}:"


def _described(market: Market, now: datetime) -> MarketInfo:
    end = market.end.astimezone(UTC)
    return {
        "condition_id": market.condition_id,
        "token_id_yes": market.token_id_yes,
        "token_id_no": market.token_id_no,
        "end_time": f"{end.astimezone(EASTERN):%H:%M:%S} ET",
        "end_time_utc": f"{end:{UTC_FORMAT}}",
        "minutes_until_end": (market.end - now) / timedelta(minutes=1),
        "title": market.title,
        "ticker": market.slug,
    }


if __name__ == "__main__":
    import sys

    import main

    sys.exit(main.list_markets())
