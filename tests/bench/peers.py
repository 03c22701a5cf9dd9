"""Readers of the market channel, each from a frame to both tokens' best asks.

What is not ours keeps its book in a PlainBook: levels in two dicts and the best of
each, no doubt, no second socket, no timestamps. nautilus_trader keeps its own.
"""

import asyncio
import importlib
import importlib.util
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from polymarket._internal.streams.clob.market_protocol import parse_events
from polymarket.models.clob.market_events import (
    MarketBookEvent,
    MarketEvent,
    MarketPriceChangeEvent,
)

from lastsecond.clock import SystemClock
from lastsecond.market import ConditionId, TokenId
from lastsecond.money import MICRO, micros
from lastsecond.view import MarketView
from lastsecond.wire.market_channel import (
    BestBidAsk,
    BookSnapshot,
    Event,
    LastTrade,
    LevelChange,
    PriceChange,
    Side,
    decode,
)
from tests.bench.corpus import Corpus

Asks = tuple[int | None, int | None]
NAUTILUS = "nautilus_trader"


class Peer(ABC):
    """One market's reader, with nothing known yet."""

    def __init__(self, corpus: Corpus) -> None:
        self.tokens = corpus.up, corpus.down

    @abstractmethod
    def take(self, frame: bytes) -> None:
        """Take in one frame."""

    @abstractmethod
    def asks(self) -> tuple[Any, Any]:
        """Best asks of Up and Down as the reader has them, None where nobody sells."""

    def micros(self) -> Asks:
        """The same in micros, whoever's they are."""
        up, down = self.asks()
        return _in_micros(up), _in_micros(down)


class Ours(Peer):
    """The bot's decoder and the view that its decisions are taken on."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus)
        self.view = MarketView("bench", *self.tokens)
        self._up, self._down = self.view.books.values()
        self._clock = SystemClock()

    def take(self, frame: bytes) -> None:
        events, clock = decode(frame).events, self._clock
        self.view.take(events, 0, clock.monotonic(), clock.now())

    def asks(self) -> Asks:
        return self._up.best_ask, self._down.best_ask

    def micros(self) -> Asks:
        return self.asks()


class StandardJson(Ours):
    """The same view behind the standard library's json."""

    def take(self, frame: bytes) -> None:
        said = json.loads(frame)
        events = [_event(each) for each in (said if isinstance(said, list) else [said])]
        self.view.take(events, 0, self._clock.monotonic(), self._clock.now())


def _event(said: dict[str, Any]) -> Event:
    """An event of the mix from its JSON object."""
    market, at = ConditionId(said["market"]), int(said["timestamp"])
    kind = said["event_type"]
    if kind == "price_change":
        changes = tuple([_change(each) for each in said["price_changes"]])
        return PriceChange(market, at, changes)
    token = TokenId(said["asset_id"])
    if kind == "book":
        bids, asks = _levels(said["bids"]), _levels(said["asks"])
        tick = said.get("tick_size")
        known = micros(tick) if tick else None
        return BookSnapshot(market, token, at, bids, asks, said["hash"], known)
    if kind == "best_bid_ask":
        bid, ask = _quote(said["best_bid"]), _quote(said["best_ask"])
        return BestBidAsk(market, token, at, bid, ask)
    price, size = micros(said["price"]), micros(said["size"])
    return LastTrade(market, token, at, price, size, Side(said["side"]))


def _change(said: dict[str, str]) -> LevelChange:
    return LevelChange(
        TokenId(said["asset_id"]),
        Side(said["side"]),
        micros(said["price"]),
        micros(said["size"]),
        _quote(said["best_bid"]),
        _quote(said["best_ask"]),
        quotes_best=True,
    )


def _levels(said: list[dict[str, str]]) -> tuple[tuple[int, int], ...]:
    return tuple([(micros(each["price"]), micros(each["size"])) for each in said])


def _quote(text: str) -> int | None:
    price = micros(text) if text else 0
    return price if 0 < price < MICRO else None


class PlainBook:
    """Two dicts of levels and the best of each."""

    def __init__(self) -> None:
        self.bids: dict[Decimal, Decimal] = {}
        self.asks: dict[Decimal, Decimal] = {}
        self.best_bid: Decimal | None = None
        self.best_ask: Decimal | None = None

    def replace(
        self,
        bids: Iterable[tuple[Decimal, Decimal]],
        asks: Iterable[tuple[Decimal, Decimal]],
    ) -> None:
        self.bids, self.asks = dict(bids), dict(asks)
        self.best_bid = max(self.bids, default=None)
        self.best_ask = min(self.asks, default=None)

    def bid(self, price: Decimal, size: Decimal) -> None:
        if size:
            self.bids[price] = size
            if self.best_bid is None or price > self.best_bid:
                self.best_bid = price
        elif self.bids.pop(price, None) is not None and price == self.best_bid:
            self.best_bid = max(self.bids, default=None)

    def ask(self, price: Decimal, size: Decimal) -> None:
        if size:
            self.asks[price] = size
            if self.best_ask is None or price < self.best_ask:
                self.best_ask = price
        elif self.asks.pop(price, None) is not None and price == self.best_ask:
            self.best_ask = min(self.asks, default=None)


class Vendor(Peer):
    """polymarket-client: json.loads and its parser, then plain books."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus)
        self._books = {str(token): PlainBook() for token in self.tokens}
        self._up, self._down = self._books.values()

    def take(self, frame: bytes) -> None:
        events, dropped = parse_events(json.loads(frame))
        assert not dropped
        for event in events:
            self.hear(event)

    def hear(self, event: MarketEvent) -> None:
        """Take in one event of the vendor's."""
        if isinstance(event, MarketPriceChangeEvent):
            for change in event.payload.price_changes:
                book = self._books[change.asset_id]
                put = book.bid if change.side == "BUY" else book.ask
                put(change.price, change.size)
        elif isinstance(event, MarketBookEvent):
            self._books[event.payload.asset_id].replace(
                [(level.price, level.size) for level in event.payload.bids],
                [(level.price, level.size) for level in event.payload.asks],
            )

    def asks(self) -> tuple[Decimal | None, Decimal | None]:
        return self._up.best_ask, self._down.best_ask


class Nautilus(Peer):
    """nautilus_trader's data client, what it would tell its engine thrown away.

    It knows no best_bid_ask. It is loaded by name: only requirements-bench.txt has it.
    """

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus)
        instruments = [_instrument(corpus, token) for token in self.tokens]
        self._client = _nautilus_client(instruments)
        self._ids = [instrument.id for instrument in instruments]
        self._handle = self._client._handle_raw_ws_message  # noqa: SLF001  what its socket calls
        self._books = self._client._local_books  # noqa: SLF001  what its quotes come from

    def take(self, frame: bytes) -> None:
        self._handle(frame)

    def asks(self) -> tuple[Any, Any]:
        up, down = self._ids
        return self._books[up].best_ask_price(), self._books[down].best_ask_price()


def nautilus_is_here() -> bool:
    """Whether nautilus_trader and the client that its adapter needs are installed."""
    needed = (NAUTILUS, "py_clob_client")
    return all(importlib.util.find_spec(name) is not None for name in needed)


def _in_micros(price: Any) -> int | None:
    return None if price is None else int(price * MICRO)


def _part(name: str) -> Any:
    return importlib.import_module(f"{NAUTILUS}.{name}")


def _instrument(corpus: Corpus, token: TokenId) -> Any:
    """One token, its prices in thousandths."""
    model, objects = _part("model"), _part("model.objects")
    symbol = _part("adapters.polymarket.common.symbol")
    name = symbol.get_polymarket_instrument_id(corpus.condition_id, token)
    return _part("model.instruments").BinaryOption(
        instrument_id=name,
        raw_symbol=name.symbol,
        outcome="Up",
        description="bench",
        asset_class=model.enums.AssetClass.ALTERNATIVE,
        currency=objects.Currency.from_str("USDC"),
        price_precision=3,
        price_increment=objects.Price.from_str("0.001"),
        size_precision=6,
        size_increment=objects.Quantity.from_str("0.000001"),
        activation_ns=0,
        expiration_ns=0,
        max_quantity=None,
        min_quantity=objects.Quantity.from_int(5),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
        ts_event=0,
        ts_init=0,
    )


def _ignore(*_: object) -> None:
    """Where its engine would be told."""


def _nautilus_client(instruments: list[Any]) -> Any:
    """Its client as its factory makes one, without HTTP and without an engine."""
    adapter, component = _part("adapters.polymarket.data"), _part("common.component")
    provider = _part("common.providers").InstrumentProvider()
    clock = component.LiveClock()
    cache = _part("cache.cache").Cache()
    for instrument in instruments:
        cache.add_instrument(instrument)
    identifier = _part("model.identifiers").TraderId("BENCH-001")
    silent = {"_handle_data": _ignore}
    deaf = type("Deaf", (adapter.PolymarketDataClient,), silent)
    return deaf(
        loop=asyncio.new_event_loop(),
        http_client=None,
        msgbus=component.MessageBus(trader_id=identifier, clock=clock),
        cache=cache,
        clock=clock,
        instrument_provider=provider,
        config=_part("adapters.polymarket.config").PolymarketDataClientConfig(),
        name=None,
    )
