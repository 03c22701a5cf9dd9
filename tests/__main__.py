"""The whole gate: ``python -m tests`` stops at the first thing that is wrong.

Many tests wait on real sockets in real time, and a machine that stands still for a
second fails one of them. So what failed is run once more, alone; what is wrong fails
twice.
"""

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


AGAIN = "coverage run -m pytest --last-failed --last-failed-no-failures none"
FAILED = 1
"""pytest's exit status for failed tests, and not for anything else."""


def main() -> int:
    """Run each tool of the gate; the exit status of the first that fails, else 0."""
    for command in GATE:
        status = run(command)
        if status == FAILED and "pytest" in command:
            print("what failed, once more, alone:", flush=True)
            status = run(AGAIN)
        if status:
            return status
    return 0


def run(command: str) -> int:
    """Show and run it; its exit status."""
    print(f"+ {command}", flush=True)
    return subprocess.run(
        [sys.executable, "-m", *command.split()], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
