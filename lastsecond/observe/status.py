"""What a person is shown of a run: its values, and the rows that they make.

Rows are laid out by hand: a rich table of eight markets takes ten times as long to
render, and it is the event loop that renders (tests/bench/status.py).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal

from rich.text import Text

from lastsecond import money
from lastsecond.history import Day, MarketStatus
from lastsecond.market import NANOSECONDS, Outcome
from lastsecond.observe.events import fitted
from lastsecond.observe.logs import CONTROLS

LAST_SECONDS = 3 * NANOSECONDS
"""Before its close, a market has the program to itself."""

MOST_EVENTS = 8
"""How many log lines are shown."""

_FEWEST_EVENTS = 3
_UNKNOWN = "-"
_CENT = Decimal("0.01")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The run, now; None is what is not known."""

    mode: str
    """PAPER or LIVE."""
    now: int
    """The exchange's time, Unix ns."""
    clock_offset_ms: float | None = None
    """How far the exchange's clock is ahead of this machine's."""
    halted: str | None = None
    """Why live orders are forbidden; None when they are not."""
    day: Day | None = None
    """What this UTC day came to."""
    next_poll: int | None = None
    """When markets are looked for again, Unix ns."""
    markets: Sequence[MarketStatus] = ()
    ended: bool = False
    """Whether this is the last that is shown of the run."""


def is_busy(closes: Iterable[int], now: int) -> bool:
    """Whether one of the closes (Unix ns) is at most LAST_SECONDS away and to come."""
    return any(0 <= close - now <= LAST_SECONDS for close in closes)


def rows(
    status: RunStatus, events: Sequence[tuple[int, str]], width: int, height: int
) -> list[Text]:
    """Header, markets, last events: as many rows as leave the cursor a line.

    An event is a line of the log and its level. Each row is for ``width`` columns, and
    is to be cut where it is wider. Of a run that has ended and has no market, none is
    shown.
    """
    found = [_header(status, width)]
    if status.halted is not None:
        found.append(_text(f"HALTED {status.halted}", "bold red"))
    if status.markets or not status.ended:
        columns = _columns(width)
        names = " ".join(column.padded(column.name) for column in columns)
        found.append(_text(names, "dim"))
        room = height - 1 - len(found)
        found += _markets(status, columns, max(1, room - 1 - _FEWEST_EVENTS))
    for_events = min(MOST_EVENTS, height - 2 - len(found))
    if for_events > 0 and events:
        found.append(Text(""))
        found += [
            _text(fitted(line, width), _shade(level))
            for level, line in events[-for_events:]
        ]
    return found[: max(1, height - 1)]


def _header(status: RunStatus, width: int) -> Text:
    """Mode, result, orders, clock, as far as whole items fit."""
    items = [
        (status.mode, "bold red" if status.mode == "LIVE" else "bold green"),
        *_day(status.day),
        (f"clock {_offset(status.clock_offset_ms)}", ""),
        (f"{datetime.fromtimestamp(status.now // NANOSECONDS, UTC):%H:%M:%S} UTC", ""),
    ]
    if status.next_poll is not None and not status.ended:
        items.append((f"next look {_countdown(status.next_poll - status.now)}", ""))
    header = Text()
    for words, style in items:
        if len(header) + 2 + len(words) > width and header:
            break
        header.append("  " if header else "")
        header.append(words.translate(CONTROLS), style)
    return header


def _day(day: Day | None) -> list[tuple[str, str]]:
    """The day's result and orders."""
    if day is None:
        return [(f"today {_UNKNOWN}", ""), (f"orders {_UNKNOWN} fills {_UNKNOWN}", "")]
    return [
        (f"today {_dollars(day.result)}", _gain(day.result)),
        (f"orders {day.orders} fills {day.fills}", ""),
    ]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column, as wide as its cells get; only the last may get wider."""

    name: str
    width: int
    cell: Callable[[MarketStatus, int], str]
    left: bool = False

    def padded(self, words: str) -> str:
        """The words in this column's width."""
        return words.ljust(self.width) if self.left else words.rjust(self.width)

    def style(self, market: MarketStatus) -> str:
        """The favourite's price and what was bought are bold, a state is coloured."""
        if self.name == "STATE":
            return _STATES.get(market.state, "")
        if self.name == "FAVOURITE":
            return "bold" if market.bought else ""
        bold = market.favourite is not None and self.name == market.favourite.upper()
        return "bold" if bold else ""


_STATES = {
    **dict.fromkeys(("armed", "sent", "matched"), "bold cyan"),
    **dict.fromkeys(("filled", "settled"), "bold green"),
    **dict.fromkeys(("uncertain", "rejected", "reverted", "failed"), "bold red"),
}
_COLUMNS = (
    _Column("MARKET", 25, lambda m, _: m.ticker, left=True),
    _Column("LEFT", 5, lambda m, now: _left(m.close_at - now)),
    _Column("UP", 6, lambda m, _: _price(m.ask_up, m)),
    _Column("DOWN", 6, lambda m, _: _price(m.ask_down, m)),
    _Column("FAVOURITE", 10, lambda m, _: _favourite(m)),
    _Column("DEPTH", 6, lambda m, _: _depth(m.depth)),
    _Column("AGE", 5, lambda m, _: _age(m.book_age_ms)),
    _Column("STATE", 10, lambda m, _: m.state, left=True),
)
_EXPENDABLE = ("AGE", "FAVOURITE", "DEPTH", "DOWN", "UP")
"""The columns that a narrow terminal does without, in this order."""


def _columns(width: int) -> Sequence[_Column]:
    """The columns that fit into ``width``."""
    kept = list(_COLUMNS)
    for name in _EXPENDABLE:
        if sum(column.width + 1 for column in kept) - 1 <= width:
            break
        kept = [column for column in kept if column.name != name]
    return kept


def _markets(status: RunStatus, columns: Sequence[_Column], room: int) -> list[Text]:
    """A row for each market, those that close first, and how many more there are."""
    if not status.markets:
        return [_text("no markets at the moment", "dim")]
    ordered = sorted(status.markets, key=lambda m: (m.close_at, m.ticker))
    if len(ordered) > room:
        shown = ordered[: max(1, room - 1)]
        more = [_text(f"and {len(ordered) - len(shown)} more", "dim")]
    else:
        shown, more = ordered, []
    return [*(_market(market, columns, status.now) for market in shown), *more]


def _market(market: MarketStatus, columns: Sequence[_Column], now: int) -> Text:
    cells = " ".join(each.padded(each.cell(market, now)) for each in columns)
    row = _text(cells.rstrip(" "))  # the less is wrapped in a smaller window
    start = 0
    for column in columns:
        if style := column.style(market):
            row.stylize(style, start, start + column.width)
        start += column.width + 1
    return row


def _text(words: str, style: str = "") -> Text:
    """Words that cannot steer the terminal."""
    return Text(words.translate(CONTROLS), style)


def _shade(level: int) -> str:
    if level >= logging.ERROR:
        return "bold red"
    return "yellow" if level >= logging.WARNING else ""


def _gain(result: int) -> str:
    if result == 0:
        return ""
    return "green" if result > 0 else "red"


def _dollars(amount: int) -> str:
    """Micro-dollars in whole cents, never more than they are."""
    return f"{money.decimal(amount).quantize(_CENT, ROUND_FLOOR):+}"


def _depth(amount: int | None) -> str:
    """Micro-dollars in six places, never more than they are."""
    if amount is None:
        return _UNKNOWN
    whole = amount // money.MICRO
    if whole >= _MILLION:
        return f"{whole // 100_000 / 10:.1f}M"
    return str(whole) if whole >= 1_000 else _dollars(amount).removeprefix("+")


def _price(ask: Decimal | None, market: MarketStatus) -> str:
    """An ask; of a known book without one, that there is none."""
    if ask is None:
        return _UNKNOWN if market.book_age_ms is None else "none"
    return money.text(money.from_decimal(ask))


def _favourite(market: MarketStatus) -> str:
    """What was bought; else the favourite, with a star where nobody sells it.

    As in a Sample, nobody asking is higher than anybody.
    """
    if market.bought or market.favourite:
        return market.bought or market.favourite or ""
    asks = market.ask_up, market.ask_down
    if market.book_age_ms is None or asks.count(None) != 1:
        return _UNKNOWN
    return f"{Outcome.UP if market.ask_up is None else Outcome.DOWN}*"


def _offset(milliseconds: float | None) -> str:
    return "unknown" if milliseconds is None else f"{milliseconds:+.0f} ms"


def _left(nanoseconds: int) -> str:
    return _countdown(nanoseconds) if nanoseconds > 0 else ""


def _countdown(nanoseconds: int) -> str:
    minutes, seconds = divmod(max(0, nanoseconds) // NANOSECONDS, 60)
    return f"{minutes}:{seconds:02d}"


def _age(milliseconds: int | None) -> str:
    if milliseconds is None:
        return _UNKNOWN
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    seconds = milliseconds / 1_000
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds:.0f}s"
