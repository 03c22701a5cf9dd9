"""Every measurement, one after the other, each in a process of its own.

    python -m tests.bench [--short] [--json PATH]

In full it takes under five minutes and prints the tables of docs/performance.md; let
nothing else run meanwhile. The short form is the gate's: exact counts, "never early",
and ratios that are worse than half of what they must be. Exit status 1 when a bound was
missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

MEASUREMENTS = (
    *("order_path", "trigger", "frames", "feed"),
    *("stalls", "scale", "startup"),
)
GATE = ("order_path", "trigger", "frames", "startup")
"""Those of the short form: together under a minute."""


def main() -> int:
    """Run them; 1 when any missed a bound."""
    options = argparse.ArgumentParser(prog="python -m tests.bench")
    options.add_argument("--short", action="store_true", help="the gate's form")
    options.add_argument("--json", type=Path, help="where to write all figures")
    chosen = options.parse_args()
    figures: dict[str, object] = {}
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for name in GATE if chosen.short else MEASUREMENTS:
            told = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", f"tests.bench.{name}", "--json", str(told)]
            command += ["--short"] if chosen.short else []
            if subprocess.run(command, check=False).returncode:
                missed.append(name)
            if told.exists():
                figures[name] = json.loads(told.read_text(encoding="utf-8"))
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if missed:
        print(f"MISSED a bound: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
