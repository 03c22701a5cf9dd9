"""What more markets cost: processor, memory, the trigger; and what is left of them.

    python -m tests.bench.scale [--short] [--json PATH]

Processes of tests/bench/crowd.py with 1, 8, 50 and 200 markets, each on two sockets of
20 frames a second, and at their end the run of tests/bench/sequence.py: 2,000 markets
one after another. Processor is what the process computes, to the first row's for as
many markets; late is what wake_at was, in the same process under the same frames.
"""

import json
import subprocess
import sys

from tests.bench.crowd import Lived, Plan, lived
from tests.bench.table import Figure, Result, command, percentile

SIZES, SHORT_SIZES = (1, 8, 50, 200), (1, 50)
SEQUENCE, SHORT_SEQUENCE = 2_000, 70
US, MIB = 1e3, 2**20
LATE_P50, LATE_P90 = 20, 50
FLAT = 1.05


def run(*, short: bool) -> Result:
    """Every size, then the sequence."""
    sizes = SHORT_SIZES if short else SIZES
    seconds, waits = (0.5, 10) if short else (5.0, 100)
    before, after = (0.5, 0.1) if short else (2.0, 0.5)
    figures: list[Figure] = []
    costs: dict[int, Lived] = {}
    for markets in sizes:
        costs[markets] = lived(
            Plan(
                markets=markets,
                seconds=seconds,
                waits=waits,
                before=before,
                after=after,
            )
        )
    for markets in sizes:
        figures += of_size(markets, costs[markets], costs[sizes[0]], short=short)
    figures.append(of_sequence(SHORT_SEQUENCE if short else SEQUENCE))
    return Result("many markets, two sockets of 20 frames/s each", figures)


def of_size(markets: int, found: Lived, one: Lived, *, short: bool) -> list[Figure]:
    """Processor and memory for each market, and how late the trigger is.

    A short run asks for no absolute time.
    """
    cpu = found.cpu / markets * 100
    grown = (found.resident - found.empty) / MIB
    ratio = found.cpu / (markets * one.cpu)
    late = [each / US for each in found.late]
    p50, p90 = percentile(late, 0.5), percentile(late, 0.9)
    last = max(found.fired) / US if found.fired else None
    first = markets == 1
    return [
        Figure(
            what=f"{markets}: processor, a market",
            n=1,
            value=cpu,
            unit="% of a core",
            against="" if first else "1 market",
            ratio=None if first else ratio,
            must="" if first else "<= 1x",
            ok=None if first else ratio <= (2 if short else 1),
        ),
        Figure(f"{markets}: memory, all together", 1, grown, "MiB"),
        Figure(
            what=f"{markets}: trigger late",
            n=len(late),
            value=p50,
            p90=p90,
            unit="µs",
            must=f"p50 <= {LATE_P50}, p90 <= {LATE_P90}",
            ok=None if short else p50 <= LATE_P50 and p90 <= LATE_P90,
        ),
        Figure(
            what=f"{markets}: trigger early",
            n=len(late),
            value=sum(each < 0 for each in late),
            unit="times",
            must="= 0",
            ok=min(late) >= 0,
        ),
        Figure(
            what=f"{markets}: last order sent after T-1 s",
            n=len(found.fired),
            value=last,
            unit="µs",
        ),
    ]


def of_sequence(markets: int) -> Figure:
    """Memory after all against memory after the first tenth."""
    script = [sys.executable, "-m", "tests.bench.sequence", str(markets)]
    done = subprocess.run(script, stdout=subprocess.PIPE, check=True, text=True)
    samples = json.loads(done.stdout)
    _, early, _ = samples[len(samples) // 10]
    decided, late, _ = samples[-1]
    return Figure(
        what=f"memory after {decided:,} markets in sequence",
        n=len(samples),
        value=late / MIB,
        unit="MiB",
        against="after the first tenth",
        ratio=late / early,
        must=f"<= {FLAT}x",
        ok=late / early <= FLAT,
    )


if __name__ == "__main__":
    sys.exit(command("scale", run))
