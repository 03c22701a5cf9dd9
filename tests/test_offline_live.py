"""The program as a person starts it, offline with live orders."""

import os
import subprocess
import sys
from pathlib import Path

from tests.live_support import ledger_rows

PROGRAM = Path(__file__).parent.parent / "main.py"


def test_the_program_trades_offline_with_live_orders(tmp_path: Path) -> None:
    """--sim --live --once: exit 0, one order, filled and paid; five are skipped."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), "--sim", "--live", "--once"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "LOG_DIR": "log",
            "DATA_DIR": "data",
            "MAX_LOOP_LAG": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    rows = ledger_rows(tmp_path / "data" / "sim").values()
    assert len(rows) == 6
    [bought] = [row for row in rows if row.sends]
    assert bought.state == "settled"
    assert [row.state for row in rows if not row.sends] == ["skipped"] * 5
    assert "mode=LIVE" in done.stdout
