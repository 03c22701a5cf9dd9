"""Make lastsecond/sim/data/recorded.jsonl.gz from the folder of parquet recordings.

Run by hand, with pyarrow installed: ``python tests/make_recorded.py FOLDER``. The
folder is a checkout of CronosVirus00/polymarket-BTC5min-database (CC BY 4.0) with
``top-of-book-last-180s.csv.gz`` beside its parquet files.
"""

import argparse
import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow import parquet  # type: ignore[import, unused-ignore]  # not a requirement

MARKETS = (
    1776097500,
    1776252300,
    1776158700,
    1776248700,
    1776261300,
    1776095700,
)
"""Window starts, in the order in which they are played."""

EARLIEST = -78.0
LATEST = 1.9
OUTPUT = Path(__file__).parent.parent / "lastsecond" / "sim" / "data"

Rows = dict[str, dict[str, str]]


def messages(folder: Path, epoch: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """(receive time in s from the close, message), each once though files overlap."""
    seen: set[str] = set()
    rows: list[tuple[float, str]] = []
    for path in folder.glob(f"btc-updown-5m-{epoch}_*.parquet"):
        table = parquet.read_table(path, columns=["timestamp", "raw_data"])
        rows += zip(*table.to_pydict().values(), strict=True)
    for received, raw in sorted(rows):
        if raw not in seen:
            seen.add(raw)
            yield received - (epoch + 300), json.loads(raw)


def book(message: dict[str, Any]) -> Rows:
    """Sizes by price of both sides."""
    return {
        side: {row["price"]: row["size"] for row in message[side]}
        for side in ("bids", "asks")
    }


def difference(before: Rows, after: Rows, side: str) -> list[list[str]]:
    """[price, absolute size] of every level that differs; "0" is gone."""
    prices = sorted(before[side].keys() | after[side].keys(), key=float)
    return [
        [price, after[side].get(price, "0")]
        for price in prices
        if before[side].get(price) != after[side].get(price)
    ]


def steps(folder: Path, epoch: int) -> list[list[Any]]:
    """[ms since the step before, bids, asks]; the first counts from the close."""
    before: Rows = {"bids": {}, "asks": {}}
    made: list[list[Any]] = []
    clock = 0
    for seconds, message in trimmed(messages(folder, epoch)):
        after = book(message)
        changes = [difference(before, after, side) for side in ("bids", "asks")]
        if any(changes):
            at = round(seconds * 1000)
            made.append([at - clock, *changes])
            clock, before = at, after
    return made


def trimmed(
    recorded: Iterator[tuple[float, dict[str, Any]]],
) -> Iterator[tuple[float, dict[str, Any]]]:
    """The part to keep, opening with the book as it stood at its beginning."""
    opening = None
    for seconds, message in recorded:
        if seconds < EARLIEST:
            opening = message
        elif seconds <= LATEST:
            if opening is not None:
                yield EARLIEST, opening
                opening = None
            yield seconds, message


def outcomes(folder: Path) -> dict[str, str]:
    """Outcome by slug, as inferred from the closing book."""
    path = folder / "top-of-book-last-180s.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return {row["slug"]: row["outcome_inferred"] for row in csv.DictReader(lines)}


def main() -> None:
    """Write the file, byte for byte the same for the same folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    known = outcomes(folder)
    lines = []
    for epoch in MARKETS:
        slug = f"btc-updown-5m-{epoch}"
        row = {
            "origin": slug,
            "winner": known[slug],
            "steps": steps(folder, epoch),
        }
        lines.append(json.dumps(row, separators=(",", ":")) + "\n")
        print(slug, known[slug], len(row["steps"]), "steps")
    path = OUTPUT / "recorded.jsonl.gz"
    path.write_bytes(gzip.compress("".join(lines).encode("ascii"), 9, mtime=0))
    print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
