"""The whole gate: ``python -m tests`` stops at the first thing that is wrong."""

import subprocess
import sys

GATE = (
    "ruff format --check .",
    "ruff check .",
    "mypy",
    "coverage erase",
    "coverage run -m pytest tests/test_live_faults.py",  # sixty bots: alone
    "coverage run -m pytest -n 3 --dist loadfile --ignore tests/test_live_faults.py",
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
