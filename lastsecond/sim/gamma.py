"""Gamma's public reads: search, events and markets (seen 2026-09-28)."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from lastsecond.market import NANOSECONDS
from lastsecond.sim.calls import Call, Endpoint, RefusedError, refuse
from lastsecond.sim.frames import Json
from lastsecond.sim.gamma_objects import event_object, market_object
from lastsecond.sim.market import SimMarket

_MOST_ROWS = 100
_DEEPEST_OFFSET = 2000
_HOUR_NS = 3600 * NANOSECONDS
_SEARCH = frozenset(
    {"limit_per_type", "page", "events_status", "keep_closed_markets"}
    | {"search_profiles", "search_tags"}
)
_FILTERS = frozenset({"closed", "active", "limit", "end_date_min", "end_date_max"})
_OFFSET = frozenset({"offset", "order", "ascending"})
_CURSOR = frozenset({"after_cursor"})
_MARKET_KEYS = frozenset({"slug", "condition_ids", "clob_token_ids"})
_ORDERS = {"endDate", "startDate", "slug", "id"}

Shape = Callable[[SimMarket], Json]


class Gamma:
    """Answers from the markets it was given; ``now`` reads Unix ns."""

    def __init__(
        self, markets: Mapping[str, SimMarket], now: Callable[[], int]
    ) -> None:
        self._markets = markets
        self._now = now

    def endpoints(self) -> list[Endpoint]:
        """Every path of this host."""
        slug = frozenset({"slug"})
        return [
            Endpoint(
                path="/public-search",
                answer=self._search,
                required=frozenset({"q"}),
                optional=_SEARCH,
            ),
            self._listing("/events", self._events, _OFFSET, slug),
            self._listing("/markets", self._list_markets, _OFFSET, _MARKET_KEYS),
            self._listing("/events/keyset", self._events_keyset, _CURSOR, slug),
            self._listing(
                "/markets/keyset", self._markets_keyset, _CURSOR, _MARKET_KEYS
            ),
            Endpoint(path="/events/slug/{slug}", answer=self._event),
            Endpoint(path="/markets/slug/{slug}", answer=self._market),
        ]

    @staticmethod
    def _listing(
        path: str,
        answer: Callable[[Call], object],
        paging: frozenset[str],
        keys: frozenset[str],
    ) -> Endpoint:
        return Endpoint(
            path=path, answer=answer, optional=_FILTERS | paging, repeatable=keys
        )

    def _event(self, call: Call) -> Json:
        return event_object(self._by_slug(call))

    def _market(self, call: Call) -> Json:
        return market_object(self._by_slug(call))

    def _by_slug(self, call: Call) -> SimMarket:
        market = self._markets.get(call.path["slug"])
        if market is None:
            body = {"type": "not found error", "error": "slug not found"}
            raise RefusedError(404, body)
        return market

    def _events(self, call: Call) -> list[Json]:
        return self._page(call, self._chosen(call), event_object)

    def _list_markets(self, call: Call) -> list[Json]:
        return self._page(call, self._chosen_markets(call), market_object)

    def _events_keyset(self, call: Call) -> Json:
        return self._keyset(call, "events", self._chosen(call), event_object)

    def _markets_keyset(self, call: Call) -> Json:
        return self._keyset(call, "markets", self._chosen_markets(call), market_object)

    def _chosen_markets(self, call: Call) -> list[SimMarket]:
        """Of markets, resolved ones come only with closed=true (since 2026-04-09)."""
        chosen = self._chosen(call)
        if call.boolean("closed"):
            return chosen
        return [market for market in chosen if market.resolved is None]

    def _chosen(self, call: Call) -> list[SimMarket]:
        chosen: Iterable[SimMarket] = self._markets.values()
        closed = call.boolean("closed")
        if closed is not None:
            chosen = [row for row in chosen if (row.resolved is not None) is closed]
        if call.boolean("active") is False:
            return []
        earliest, latest = _moment(call, "end_date_min"), _moment(call, "end_date_max")
        return [
            row
            for row in chosen
            if _named(call, row)
            and (earliest is None or row.window.end >= earliest)
            and (latest is None or row.window.end <= latest)
        ]

    def _page(self, call: Call, chosen: list[SimMarket], shape: Shape) -> list[Json]:
        offset = call.integer("offset", 0)
        if offset > _DEEPEST_OFFSET:
            raise refuse("offset too large, use the keyset endpoint", 422)
        rows = [shape(market) for market in chosen]
        order = call.query.get("order")
        if order is not None:
            if order not in _ORDERS:
                raise refuse(f"unknown order: {order[:40]}", 422)
            descending = call.boolean("ascending") is not True
            rows.sort(key=lambda row: str(row[order]), reverse=descending)
        return rows[offset : offset + _limit(call)]

    @staticmethod
    def _keyset(call: Call, key: str, chosen: list[SimMarket], shape: Shape) -> Json:
        start = call.integer("after_cursor", 0)
        end = start + _limit(call)
        page: Json = {key: [shape(market) for market in chosen[start:end]]}
        if end < len(chosen):
            page["next_cursor"] = str(end)
        return page

    def _search(self, call: Call) -> Json:
        words = _words(call.query["q"])
        found = [
            market
            for market in self._markets.values()
            if _matches(words, market.title) and self._has_status(call, market)
        ]
        size = call.integer("limit_per_type", 10)
        start = (call.integer("page", 1) - 1) * size
        if start < 0:
            raise refuse("page starts at 1")
        return {
            "events": [event_object(row) for row in found[start : start + size]],
            "tags": [],
            "profiles": [] if call.boolean("search_profiles") is False else [None],
            "pagination": {
                "hasMore": start + size < len(found),
                "totalResults": len(found),
            },
        }

    def _has_status(self, call: Call, market: SimMarket) -> bool:
        status = call.query.get("events_status", "active")
        if status not in {"active", "closed"}:
            raise refuse(f"unknown events_status: {status[:40]}")
        if status == "closed":
            return market.resolved is not None
        kept = call.integer("keep_closed_markets", 0) * _HOUR_NS
        return market.resolved is None or self._now() - market.closed_ns < kept


def _named(call: Call, market: SimMarket) -> bool:
    wanted = call.query.getall("slug", None)
    if wanted is not None and market.slug not in wanted:
        return False
    wanted = call.query.getall("condition_ids", None)
    if wanted is not None and market.condition_id not in wanted:
        return False
    wanted = call.query.getall("clob_token_ids", None)
    return wanted is None or not set(wanted).isdisjoint(market.tokens.values())


def _limit(call: Call) -> int:
    return min(call.integer("limit", 20), _MOST_ROWS)


def _moment(call: Call, name: str) -> float | None:
    text = call.query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"{name} is not a time: {text[:40]}") from None
    if moment.tzinfo is None:
        raise refuse(f"{name} has no time zone: {text[:40]}")
    return moment.timestamp()


def _words(text: str) -> frozenset[str]:
    return frozenset(re.split(r"[\s,\-]+", text.casefold())) - {""}


def _matches(words: frozenset[str], title: str) -> bool:
    """Whether each word begins a word of the title: "9:" finds "9:45AM"."""
    return all(any(own.startswith(word) for own in _words(title)) for word in words)
