"""The program as a person starts it, offline with live orders; a plugin of tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_KEPT = ("PATH", "HOME", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


@dataclass(frozen=True)
class SimulatedRun:
    """``python main.py --sim --live --once``, under way in a folder of its own."""

    process: subprocess.Popen[str]
    folder: Path

    def end(self) -> tuple[int, str]:
        """Wait for it: the exit status, and what it told the terminal."""
        told, _ = self.process.communicate(timeout=120)
        return self.process.returncode, told


@pytest.fixture(scope="session")
def simulated_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedRun]:
    """Started when first asked for: it takes 80 s, most of them waiting."""
    folder = tmp_path_factory.mktemp("simulated")
    program = Path(__file__).parent.parent / "main.py"
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(program), "--sim", "--live", "--once"],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "LOG_DIR": "log",
            "DATA_DIR": "data",
            "MAX_LOOP_LAG": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield SimulatedRun(process, folder)
        process.kill()
