"""What every measurement here shares: figures, percentiles, one table, one file."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing, what it was held against in the same run, and its bounds.

    ``must`` and ``aim`` are for people ("<= 8x"); ``ok`` says whether ``must`` was met,
    None where nothing is asked.
    """

    what: str
    n: int
    value: float | None
    """The median, or the one number there is."""
    unit: str
    against: str = ""
    ratio: float | None = None
    """``value`` to that of ``against``."""
    must: str = ""
    aim: str = ""
    ok: bool | None = None
    p90: float | None = None
    ratio_p90: float | None = None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all are at or under."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """The figures under each other; columns that would be empty are left out."""
    names = ("what", "n", "p50", "p90", "unit", "against", "x p50", "x p90")
    rows: list[tuple[str, ...]] = [(*names, "must", "aim", "")]
    rows += [_cells(figure) for figure in figures]
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in kept]
    words = {"what", "unit", "against", "must", "aim", ""}
    print(title)
    for cells in zip(*kept, strict=True):
        padded = (
            cell.ljust(width) if column[0] in words else cell.rjust(width)
            for cell, width, column in zip(cells, widths, kept, strict=True)
        )
        print("  ".join(padded).rstrip())
    print()


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """The figures as a list of objects."""
    shown = json.dumps([asdict(figure) for figure in figures], indent=1)
    path.write_text(shown + "\n", encoding="utf-8")


def short_number(value: float | None) -> str:
    """Three significant digits, thousands separated; nothing for None."""
    if value is None:
        return ""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.what,
        f"{figure.n:,}",
        short_number(figure.value),
        short_number(figure.p90),
        figure.unit,
        figure.against,
        short_number(figure.ratio),
        short_number(figure.ratio_p90),
        figure.must,
        figure.aim,
        {None: "", True: "ok", False: "MISSED"}[figure.ok],
    )
