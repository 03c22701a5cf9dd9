"""What every measurement here shares: figures, percentiles, one table, one file."""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = slice(3, 5)
CROWDED = 0.25
"""The share of the CPUs that others may take before no ratio is judged."""
RETRIES = 2


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

    @property
    def exact(self) -> bool:
        """Whether it is a count that no busy machine excuses."""
        return self.must.startswith("=")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a ratio must, and should, be at most (or ``at_least``)."""

    must: float
    aim: float
    at_least: bool = False
    slack: float = 1
    """How much worse than ``must`` still passes."""
    median_only: bool = False
    """Whether p90 is not asked for: on a busy machine few rounds say little of it."""

    def of(self, *, short: bool, slack: float = 2) -> "Bound":
        """The bound of a short run: half of it will do, and at the median."""
        return replace(self, slack=slack, median_only=True) if short else self

    @property
    def passing(self) -> float:
        """The worst ratio that passes."""
        return self.must / self.slack if self.at_least else self.must * self.slack

    def met(self, ratio: float) -> bool:
        """Whether ``ratio`` passes."""
        return ratio >= self.passing if self.at_least else ratio <= self.passing

    def text(self, ratio: float) -> str:
        """As a person writes it."""
        return f"{'>=' if self.at_least else '<='} {ratio:g}x"


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement's table."""

    title: str
    figures: Sequence[Figure]

    @property
    def ok(self) -> bool:
        """Whether every bound was met."""
        return all(figure.ok is not False for figure in self.figures)


def others_share(seconds: float = 0.5) -> float:
    """The share (0 to 1) of this machine's CPU time that others take while we sleep.

    Linux tells it; elsewhere it is 0, as if nobody did.
    """
    if not STAT.exists():
        return 0
    before = _cpu_ticks()
    time.sleep(seconds)
    ticks = [now - then for now, then in zip(_cpu_ticks(), before, strict=True)]
    return 1 - sum(ticks[IDLE]) / max(sum(ticks), 1)


def _cpu_ticks() -> list[int]:
    """Of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal."""
    return [int(word) for word in STAT.read_text(encoding="ascii").split()[1:9]]


def fairly(
    run: Callable[..., Result],
    *,
    short: bool,
    crowded: Callable[[], bool] = lambda: others_share() > CROWDED,
) -> Result:
    """``run``'s result; a short one that missed bounds but no count is tried again.

    Other programs can take any ratio from this one. What is still missed while they run
    is not judged: its bound says so. A count is always judged.
    """
    result = run(short=short)
    for _ in range(RETRIES if short else 0):
        missed = [figure for figure in result.figures if figure.ok is False]
        if not missed or any(figure.exact for figure in missed):
            return result
        result = run(short=short)
    if short and not result.ok and crowded():
        return replace(result, figures=[_excused(f) for f in result.figures])
    return result


def _excused(figure: Figure) -> Figure:
    if figure.ok is not False or figure.exact:
        return figure
    return replace(figure, ok=None, must=f"{figure.must}, but others run")


def command(name: str, run: Callable[..., Result]) -> int:
    """Run ``run(short=...)`` as the command line says; the exit status, 1: missed."""
    options = argparse.ArgumentParser(prog=f"python -m tests.bench.{name}")
    options.add_argument("--short", action="store_true", help="fewer rounds, 15 s")
    options.add_argument("--json", type=Path, help="where to write the figures")
    chosen = options.parse_args()
    result = fairly(run, short=chosen.short)
    print_table(result.title, result.figures)
    if chosen.json:
        write_json(chosen.json, result.figures)
    return 0 if result.ok else 1


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` (0 to 1) of all are at or under."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]


def alone(what: str, values: Sequence[float], unit: str = "µs") -> Figure:
    """Median and p90 of what others are held against."""
    middle, high = percentile(values, 0.5), percentile(values, 0.9)
    return Figure(what, len(values), middle, unit, p90=high)


def compared(
    what: str,
    values: Sequence[float],
    against: str,
    others: Sequence[float],
    bound: Bound | None = None,
) -> Figure:
    """Median and p90 in µs to those of ``others``, held to ``bound``."""
    figure = alone(what, values)
    ratios = [percentile(values, s) / percentile(others, s) for s in (0.5, 0.9)]
    figure = replace(figure, against=against, ratio=ratios[0], ratio_p90=ratios[1])
    if bound is None:
        return figure
    return replace(
        figure,
        must=bound.text(bound.passing),
        aim=bound.text(bound.aim),
        ok=all(map(bound.met, ratios[:1] if bound.median_only else ratios)),
    )


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
