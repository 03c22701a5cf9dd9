"""The whole gate: ``python -m tests`` stops at the first thing that is wrong."""

import subprocess
import sys

ALONE = ("tests/test_live_faults.py", "tests/test_paper_like_live.py")
"""Sixty bots, and two hundred markets twice: nothing beside them."""

GATE = (
    "ruff format --check .",
    "ruff check .",
    "mypy",
    "coverage erase",
    f"coverage run -m pytest {' '.join(ALONE)}",
    "coverage run -m pytest -n 3 --dist loadfile --ignore " + " --ignore ".join(ALONE),
    "coverage combine --quiet",
    "coverage report",
)


def main() -> int:
    """Run each tool of the gate; the exit status of the first that fails, else 0."""
    for command in GATE:
        print(f"+ {command}", flush=True)
        done = subprocess.run([sys.executable, "-m", *command.split()], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
