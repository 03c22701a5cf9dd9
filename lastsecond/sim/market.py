"""A simulated market: one book, two tokens, and the life that a script gives it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from lastsecond import money
from lastsecond.market import NANOSECONDS, Outcome, TokenId, Window
from lastsecond.sim import frames, naming
from lastsecond.sim.frames import BookState, Json
from lastsecond.sim.ladder import Ladder, Level, Side, plain

if TYPE_CHECKING:
    from lastsecond.ports import Clock

_FINE_TICK = 1_000
_FINE_ABOVE = 960_000
_FINE_BELOW = 40_000


class Audience(Protocol):
    """Whoever listens to the market channel."""

    def publish(
        self, tokens: Iterable[TokenId], frame: Json, *, custom: bool = False
    ) -> None:
        """Send to every socket subscribed to one of these tokens.

        ``custom`` frames go only to sockets with the custom feature.
        """
        ...

    def settle(self, tokens: Iterable[TokenId]) -> None:
        """These tokens are resolved; sockets with nothing else left are closed."""
        ...


class SimMarket:
    """One market of the simulated exchange. Every call is broadcast at once.

    Prices and sizes are decimal strings, as on the wire; a price off the tick grid
    raises ValueError.
    """

    def __init__(
        self,
        window: Window,
        clock: "Clock",
        audience: Audience,
        *,
        tick: int,
        fields: dict[str, object],
    ) -> None:
        """An open market with an empty book; ``tick`` in micros.

        ``fields`` replace fields of the Gamma market object; ``...`` leaves one out.
        """
        self.window = window
        self.slug = window.slug
        self.origin = window.slug
        """Slug of the genuine market that a recording came from."""
        self.condition_id = naming.condition_id(self.slug)
        self.tokens = {side: naming.token_id(self.slug, side) for side in Outcome}
        self.title = naming.title(window)
        self.tick = tick
        self.automatic_tick = True
        """Whether the tick becomes 0.001 once the price passes 0.96 or 0.04."""
        self.winner: Outcome | None = None
        """How it is going to resolve, as far as the script has told."""
        self.resolved: Outcome | None = None
        self.closed_ns = 0
        """When it was resolved, Unix ns; 0 before."""
        self.wiped = False
        self.ready = True
        """Whether it takes orders yet; Gamma may list it minutes earlier."""
        self.price_to_beat: float | None = None
        """The window's opening TWAP in dollars, once published."""
        self.final_price: float | None = None
        """The window's closing TWAP in dollars, once published."""
        self.fields = fields
        self.ladder = Ladder()
        self._clock = clock
        self._audience = audience
        self._updated = clock.now()
        self._last_trade: int | None = None
        self._trades = 0

    @property
    def close_ns(self) -> int:
        """Unix nanoseconds of the window's end."""
        return self.window.end * NANOSECONDS

    def token(self, outcome: Outcome) -> TokenId:
        """The id of one outcome's token."""
        return self.tokens[outcome]

    def state(self, outcome: Outcome) -> BookState:
        """One token's book as it stands."""
        return BookState(
            condition_id=self.condition_id,
            token=self.tokens[outcome],
            outcome=outcome,
            ladder=self.ladder,
            tick=self.tick,
            last_trade=self._last_trade_text(outcome),
            timestamp=_milliseconds(self._updated),
        )

    def snapshot(
        self,
        outcome: Outcome,
        bids: Iterable[tuple[str, str]],
        asks: Iterable[tuple[str, str]],
    ) -> None:
        """Replace the book, given as (price, size) in that outcome's terms."""
        levels = [self._parsed(bids), self._parsed(asks)]
        before = self._tops()
        self.ladder.replace(outcome, *levels)
        self._touch()
        self._send_books()
        self._announce_top(before)

    def change(self, outcome: Outcome, side: str, price: str, size: str) -> None:
        """Set the absolute size of one level; "0" removes it."""
        self.changes(outcome, [(side, price, size)])

    def changes(
        self, outcome: Outcome, changed: Sequence[tuple[str, str, str]]
    ) -> None:
        """Set the sizes of several levels in one ``price_change``.

        Each is (side, price, absolute size) in that outcome's terms.
        """
        parsed = [
            (Side(side), self._price(price), money.micros(size))
            for side, price, size in changed
        ]
        self._apply(outcome, parsed)

    def trade(self, outcome: Outcome, side: str, price: str, size: str) -> None:
        """A taker trades: what rests at that price is consumed, as far as it goes."""
        self._trade(outcome, Side(side), [(self._price(price), money.micros(size))])

    def take(self, outcome: Outcome, fills: Sequence[Level]) -> None:
        """An order buys this much of these asks; each level is one trade print."""
        self._trade(outcome, Side.BUY, fills)

    def repeat(self) -> None:
        """Broadcast both books as they stand."""
        self._send_books()

    def set_tick(self, tick: str) -> None:
        """Change the tick size; nothing happens when it is the same."""
        new, old = money.micros(tick), self.tick
        if new == old:
            return
        self.tick = new
        stamp = _milliseconds(self._clock.now())
        for outcome in Outcome:
            state = self.state(outcome)
            self._audience.publish(
                [state.token], frames.tick_size_change(state, old, stamp)
            )

    def wipe(self) -> None:
        """Remove every level, outermost first, as the operator does after the end."""
        self.automatic_tick = False
        for side in Side:
            for price, _ in self.ladder.levels(Outcome.UP, side):
                self._apply(Outcome.UP, [(side, price, 0)])
        self.wiped = True

    def resolve(self, winner: Outcome | None = None) -> None:
        """Settle the market; without an argument, as add_market was told."""
        result = winner or self.winner
        if result is None:
            raise ValueError(f"{self.slug}: no winner given")
        self.winner = self.resolved = result
        self.closed_ns = self._clock.now()
        tokens = list(self.tokens.values())
        self._audience.publish(
            tokens,
            {
                "id": naming.gamma_id("market", self.slug),
                "market": self.condition_id,
                "assets_ids": tokens,
                "winning_asset_id": self.tokens[result],
                "winning_outcome": result.value,
                "event_message": None,
                "timestamp": _milliseconds(self.closed_ns),
                "tags": [],
                "event_type": "market_resolved",
            },
            custom=True,
        )
        self._audience.settle(tokens)

    def _apply(
        self, outcome: Outcome, changed: Sequence[tuple[Side, int, int]]
    ) -> None:
        before = self._tops()
        for side, price, size in changed:
            self.ladder.put(outcome, side, price, size)
        self._touch()
        entries = []
        for seen in Outcome:
            state = self.state(seen)
            digest = str(frames.rest_book(state)["hash"])
            for side, price, size in changed:
                own = (side, price)
                if seen is not outcome:
                    own = (side.other, money.MICRO - price)
                entries.append(frames.change(state, digest, *own, size))
        self._audience.publish(
            self.tokens.values(),
            frames.price_change(
                self.condition_id, _milliseconds(self._updated), entries
            ),
        )
        self._announce_top(before)

    def _trade(self, outcome: Outcome, taker: Side, fills: Sequence[Level]) -> None:
        before = self._tops()
        for at, amount in fills:
            left = max(self.ladder.size(outcome, taker.other, at) - amount, 0)
            self.ladder.put(outcome, taker.other, at, left)
            self._last_trade = at if outcome is Outcome.UP else money.MICRO - at
            self._trades += 1
            self._touch()
            digest = naming.hexadecimal("trade", self.slug, str(self._trades))
            self._audience.publish(
                [self.tokens[outcome]],
                frames.last_trade_price(self.state(outcome), taker, amount, digest),
            )
        self._send_books()
        self._announce_top(before)

    def _touch(self) -> None:
        self._updated = self._clock.now()

    def _tops(self) -> dict[Outcome, tuple[str, str]]:
        return {outcome: frames.top(self.state(outcome)) for outcome in Outcome}

    def _send_books(self) -> None:
        for outcome in Outcome:
            state = self.state(outcome)
            self._audience.publish([state.token], frames.book(state))

    def _announce_top(self, before: dict[Outcome, tuple[str, str]]) -> None:
        for outcome in Outcome:
            state = self.state(outcome)
            if frames.top(state) != before[outcome]:
                self._audience.publish(
                    [state.token], frames.best_bid_ask(state), custom=True
                )
        bid = self.ladder.best(Outcome.UP, Side.BUY) or 0
        ask = self.ladder.best(Outcome.UP, Side.SELL) or money.MICRO
        passed = bid > _FINE_ABOVE or ask < _FINE_BELOW
        if passed and self.automatic_tick and self.tick > _FINE_TICK:
            self.set_tick(plain(_FINE_TICK))

    def _price(self, text: str) -> int:
        price = money.micros(text)
        if price % self.tick or not self.tick <= price <= money.MICRO - self.tick:
            grid = plain(self.tick)
            raise ValueError(f"{self.slug}: {text} is not on the grid of tick {grid}")
        return price

    def _parsed(self, levels: Iterable[tuple[str, str]]) -> list[Level]:
        return [(self._price(price), money.micros(size)) for price, size in levels]

    def _last_trade_text(self, outcome: Outcome) -> str:
        if self._last_trade is None:
            return ""
        mirrored = money.MICRO - self._last_trade
        price = self._last_trade if outcome is Outcome.UP else mirrored
        return money.text(price, 3)


def _milliseconds(nanoseconds: int) -> str:
    return str(nanoseconds // 1_000_000)
