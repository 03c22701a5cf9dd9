"""What holds the loop up in a market's last seconds, with 50 markets live.

    python -m tests.bench.stalls [--short] [--json PATH]

Processes of tests/bench/crowd.py, with Python's own collector and as the bot sets it,
in turn. Eight markets close together. Measured is what this program computes, so that
other programs do not count: the longest turn of the loop and the longest collection in
[T-3 s, T+1 s], and a full collection: Python's own comes at any time, the bot's only
when no market is near its close.
"""

import sys
from collections.abc import Sequence

from tests.bench.crowd import Lived, Plan, lived
from tests.bench.table import Figure, Result, command, percentile

MARKETS = 50
RUNS = 3
MUST, AIM = 5.0, 0.5
MS = 1e6


def run(*, short: bool) -> Result:
    """Both collectors, in turn."""
    kept: dict[str, list[Lived]] = {"default": [], "bot": []}
    before, after = (1.5, 0.25) if short else (3.0, 1.0)
    for _ in range(1 if short else RUNS):
        for collector, runs in kept.items():
            plan = Plan(
                markets=MARKETS, collector=collector, before=before, after=after
            )
            runs.append(lived(plan))
    default, bot = kept.values()
    turns = [[each.turn_cpu / MS for each in runs] for runs in (default, bot)]
    longest = [
        [max([0, *each.pauses]) / MS for each in runs] for runs in (default, bot)
    ]
    full = [[each.full / MS for each in runs] for runs in (default, bot)]
    title = f"ms that the loop is held up near a close, {MARKETS} markets live"
    return Result(
        title,
        [
            *pair("longest turn of the loop", *turns, short=short),
            *pair("longest collection", *longest, short=short),
            *pair("a full collection", *full, short=True),
        ],
    )


def pair(
    what: str, default: Sequence[float], bot: Sequence[float], *, short: bool
) -> list[Figure]:
    """With Python's own collector, and as the bot has it; a short run asks nothing."""
    usual, ours = percentile(default, 0.5), percentile(bot, 0.5)
    name = "default collector"
    return [
        Figure(
            f"{what}: {name}", len(default), usual, "ms", p90=percentile(default, 0.9)
        ),
        Figure(
            what=f"{what}: the bot's",
            n=len(bot),
            value=ours,
            p90=percentile(bot, 0.9),
            unit="ms",
            against=name,
            ratio=ours / usual if usual else None,
            must=f"<= {MUST:g} ms",
            aim=f"<= {AIM:g} ms",
            ok=None if short else ours <= MUST,
        ),
    ]


if __name__ == "__main__":
    sys.exit(command("stalls", run))
