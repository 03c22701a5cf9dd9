"""Hold the bot's decisions over real recordings to an independent count.

    python -m tests.bench.decisions FOLDER

FOLDER holds the btc-updown-5m recordings of CronosVirus00/polymarket-BTC5min-database
(CC BY 4.0): ``*.parquet`` with raw ``book`` messages of the Down token, and
``top-of-book-last-180s.csv.gz``, best prices of the same and more markets. Every market
of the CSV is lived by the real LastSecondTrader on a jumping clock, from the raw
messages where they reach T-1 s and else from the CSV's best prices. What it decides is
compared, market by market, with what the CSV's rows say without any of the bot's code.
"""

import argparse
import asyncio
import csv
import gzip
import json
import logging
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from config import Settings
from hft_trader import LastSecondTrader
from lastsecond.clock import JumpingLoop, LoopClock
from lastsecond.errors import SourceError
from lastsecond.market import NANOSECONDS
from tests.fakes import FakeSource, Parameters
from tests.scripted import ScriptedStream, fake_world

UP, DOWN, CONDITION = "1", "2", "0x" + "0" * 64
SIZE = Decimal(5)
"""Dollars of an order; the CSV knows the best level only."""

Ladder = list[dict[str, str]]


@dataclass(frozen=True)
class Moment:
    """Down's book as received ``at`` (Unix ns), best price last on both sides."""

    at: int
    bids: Ladder
    asks: Ladder


@dataclass(frozen=True)
class Row:
    """A CSV row: seconds to the close, and Down's best prices."""

    left: Decimal
    bid: Decimal | None
    ask: Decimal | None
    bid_size: Decimal
    ask_size: Decimal


def read_rows(folder: Path) -> dict[str, list[dict[str, str]]]:
    """The CSV's rows by slug, in order of receipt."""
    rows = defaultdict(list)
    with gzip.open(folder / "top-of-book-last-180s.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            rows[row["slug"]].append(row)
    return rows


def read_raw(folder: Path) -> dict[str, list[Moment]]:
    """Raw books by slug, overlapping files merged."""
    from pyarrow import parquet  # noqa: PLC0415  only this script needs it

    found: dict[str, dict[tuple[float, str], Moment]] = defaultdict(dict)
    for path in sorted(folder.glob("*.parquet")):
        for row in parquet.read_table(path).to_pylist():
            message = json.loads(row["raw_data"])
            at = round(row["timestamp"] * 1000) * (NANOSECONDS // 1000)
            moment = Moment(at, message["bids"], message["asks"])
            found[row["slug"]][row["timestamp"], message["hash"]] = moment
    return {slug: [m for _, m in sorted(got.items())] for slug, got in found.items()}


def from_csv(rows: Iterable[dict[str, str]]) -> Iterator[Moment]:
    """One-level books from the CSV's best prices."""
    for row in rows:
        at = round(float(row["recv_ts"]) * 1000) * (NANOSECONDS // 1000)
        bids = [{"price": row["best_bid"], "size": row["best_bid_size"]}]
        asks = [{"price": row["best_ask"], "size": row["best_ask_size"]}]
        yield Moment(
            at, bids if row["best_bid"] else [], asks if row["best_ask"] else []
        )


def books(moment: Moment) -> list[dict[str, object]]:
    """The moment as ``book`` messages of both tokens: Up mirrors Down."""

    def mirror(side: Ladder) -> Ladder:
        return [
            {"price": str(1 - Decimal(level["price"])), "size": level["size"]}
            for level in side
        ]

    shown = {
        DOWN: (moment.bids, moment.asks),
        UP: (mirror(moment.asks), mirror(moment.bids)),
    }
    return [
        {
            "event_type": "book",
            "market": CONDITION,
            "asset_id": token,
            "timestamp": str(moment.at // 1_000_000),
            "hash": "",
            "bids": bids,
            "asks": asks,
        }
        for token, (bids, asks) in shown.items()
    ]


class Heard(logging.Handler):
    """Keeps the DECISION lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("DECISION "):
            self.lines.append(message)


async def live(slug: str, close: int, moments: list[Moment]) -> None:
    """Let the trader live one market."""
    clock = LoopClock((close - 170) * NANOSECONDS)

    async def answer(url: str, params: Parameters) -> bytes:
        past = [moment for moment in moments if moment.at <= clock.now()]
        if not past:
            raise SourceError("no book yet")
        token = dict(params)["token_id"]
        shown = {str(book["asset_id"]): book for book in books(past[-1])}
        return json.dumps(shown[token]).encode()

    script = [(moment.at, json.dumps(books(moment)).encode()) for moment in moments]
    world = fake_world(
        clock,
        source=FakeSource(answer),
        new_stream=lambda name, _: ScriptedStream(name, script, clock),
    )
    await LastSecondTrader(
        CONDITION,
        UP,
        DOWN,
        datetime.fromtimestamp(close, UTC),
        ticker=slug,
        world=world,
        settings=Settings(),
    ).run()


def decided(line: str) -> str:
    """The comparable part of a DECISION line."""
    buy = re.search(r"buy outcome=(\w+) ask=(\S+).* t_minus=(\S+)", line)
    if buy is None:
        return re.sub(r".*skip reason=(\S+).*", r"skip \1", line)
    early = "T-1" if float(buy[3]) > 0.999 else "later"
    return f"buy {buy[1]} {Decimal(buy[2]).normalize()} {early}"


def verdict(row: Row) -> str:
    """What the rule says of one row, counted without the bot's code."""
    if row.bid is None or row.ask is None:
        return "skip no_ask"
    up, down = 1 - row.bid, row.ask
    if up == down or max(up, down) <= Decimal("0.5"):
        return "skip no_favourite"
    if max(up, down) > Decimal("0.99"):
        return "skip above_cap"
    if max(up, down) * (row.bid_size if up > down else row.ask_size) < SIZE:
        return "skip not_enough_depth"
    outcome = "Up" if up > down else "Down"
    return f"buy {outcome} {max(up, down).normalize()}"


def counted(rows: Iterable[dict[str, str]], *, sized: bool) -> str:
    """The decision by the CSV: at T-1 s, or at the first row after it that buys.

    ``sized``: its best level is all that the bot was shown, so its size decides, too.
    """
    read = [
        Row(
            Decimal(row["sec_to_close"]),
            Decimal(row["best_bid"]) if row["best_bid"] else None,
            Decimal(row["best_ask"]) if row["best_ask"] else None,
            *(
                Decimal(row[f"best_{side}_size"] or 0) if sized else SIZE * 100
                for side in ("bid", "ask")
            ),
        )
        for row in rows
    ]
    before = [row for row in read if row.left >= 1]
    at_trigger = verdict(before[-1]) if before else "skip no_book"
    if at_trigger.startswith("buy"):
        return f"{at_trigger} T-1"
    for row in read:
        if 0 < row.left < 1 and verdict(row).startswith("buy"):
            return f"{verdict(row)} later"
    return at_trigger


def reaches(raw: list[Moment], rows: list[dict[str, str]], close: int) -> bool:
    """Whether the raw messages hold the CSV's last row before T-1 s."""
    trigger = (close - 1) * NANOSECONDS
    before = [moment.at for moment in raw if moment.at <= trigger]
    listed = [m.at for m in from_csv(rows) if m.at <= trigger]
    return bool(before and listed) and before[-1] == listed[-1]


def main() -> int:
    """Print the table; exit status 1 when a market differs."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.decisions")
    options.add_argument("folder", type=Path, help="the recordings")
    folder = options.parse_args().folder
    rows, raw = read_rows(folder), read_raw(folder)
    heard = Heard()
    logging.getLogger("hft_trader").addHandler(heard)
    logging.getLogger("hft_trader").setLevel(logging.INFO)
    logging.getLogger("lastsecond").setLevel(logging.CRITICAL)
    results, differ = Counter[tuple[str, str]](), 0
    for slug in sorted(rows):
        close = int(slug.rsplit("-", 1)[1]) + 300
        is_raw = reaches(raw.get(slug, []), rows[slug], close)
        moments = raw[slug] if is_raw else list(from_csv(rows[slug]))
        heard.lines.clear()
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(live(slug, close, moments))
        [line] = heard.lines
        bot, csv_says = decided(line), counted(rows[slug], sized=not is_raw)
        source = "raw" if is_raw else "csv"
        results[source, " ".join(bot.split()[:2:1])] += 1
        if bot != csv_says:
            differ += 1
            print(f"DIFFERS {slug} ({source}): bot {bot!r}, count {csv_says!r}")
    for (source, decision), number in sorted(results.items()):
        print(f"{source}  {decision:<20} {number:4}")
    print(f"{sum(results.values())} markets, {differ} decided otherwise than counted")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
