"""The whole gate: ``python -m tests`` stops at the first thing that is wrong.

Many tests wait on real sockets in real time, and a machine that stands still for a
second fails one of them. So what failed is run once more, alone; what is wrong fails
twice.
"""

import subprocess
import sys

PATIENT = ("tests/test_live_faults.py", "tests/test_paper_like_live.py")
"""Sixty bots, and two hundred markets twice. Mostly they wait, but never long for a
processor: nothing runs beside them."""

PYTEST = "pytest --dist loadfile --no-loadscope-reorder -n"
GATE = (
    "ruff format --check .",
    "ruff check .",
    "mypy",
    "coverage erase",
    f"{PYTEST} 2 {' '.join(PATIENT)}",
    f"coverage run -m {PYTEST} 4 --ignore {' --ignore '.join(PATIENT)}",
    "coverage combine --quiet",
    "coverage report",
)
AGAIN = "pytest --last-failed --last-failed-no-failures none"
FAILED = 1
"""pytest's exit status for failed tests, and not for anything else."""


def main() -> int:
    """Run each tool of the gate; the exit status of the first that fails, else 0."""
    for command in GATE:
        status = run(command)
        if status == FAILED and PYTEST in command:
            print("what failed, once more, alone:", flush=True)
            status = run(AGAIN)
        if status:
            return status
    return 0


def run(command: str) -> int:
    """Show and run it; its exit status."""
    print(f"+ {command}", flush=True)
    done = subprocess.run([sys.executable, "-m", *command.split()], check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
