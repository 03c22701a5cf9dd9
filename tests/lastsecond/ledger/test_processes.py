"""Two programs at one ledger, one that is killed, and one whose disk is full."""

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from lastsecond.orders import MOVES, State
from tests.lastsecond.ledger.setting import MARKET, events, ledger_in, raw, table

ROOT = Path(__file__).parents[3]


def start(role: str, folder: Path, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lastsecond.ledger.child", role, folder, name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(role: str, folder: Path, name: str = "") -> list[list[str]]:
    """What a child that ends by itself says: each line's first word, and the rest."""
    with start(role, folder, name) as child:
        output, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    return [line.split(" ", 1) for line in output.splitlines()]


def test_of_two_processes_one_arms(tmp_path: Path) -> None:
    """Whoever is second in the race for a market is told so, and armed nothing."""
    with start("race", tmp_path, "a") as one, start("race", tmp_path, "b") as two:
        for child in (one, two):
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in (one, two):
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        lines = [child.communicate(timeout=30)[0] for child in (one, two)]
    won = [
        line.split()[1] for text in lines for line in text.splitlines() if "won" in line
    ]
    lost = [line for text in lines for line in text.splitlines() if "lost" in line]
    assert Counter(won) == Counter(f"0x{number}" for number in range(20))
    assert len(lost) == 20
    assert all("was armed by another process" in line for line in lost)
    assert {row["order_id"][0] for row in table(tmp_path, "orders")} <= {"a", "b"}
    assert len(table(tmp_path, "orders")) == 40


def test_killed_at_any_moment_it_keeps_what_it_promised(tmp_path: Path) -> None:
    """After each SIGKILL the file is whole and has every arm that was acknowledged."""
    moments, promised, life = random.Random(7), set[str](), 0
    while life < 20 or len(promised) <= 20:
        life += 1
        assert life < 300, "it promises next to nothing"
        with start("live", tmp_path, f"{life}-") as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0, 0.08))
            child.send_signal(signal.SIGKILL)
            output, _ = child.communicate(timeout=30)
        lines = output.splitlines()
        promised |= {line.removeprefix("armed ") for line in lines if "armed" in line}
        with closing(raw(tmp_path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert promised <= {row["condition_id"] for row in table(tmp_path, "arms")}
    _chains_hold(tmp_path)


def _chains_hold(folder: Path) -> None:
    """Each market's events lead, move by move, to where it stands."""
    stands = {row["condition_id"]: "discovered" for row in table(folder, "markets")}
    for event in table(folder, "events"):
        detail = json.loads(event["detail"])
        if "to" in detail:
            assert stands[event["condition_id"]] == detail["from"]
            assert detail["to"] in MOVES[State(detail["from"])]
            stands[event["condition_id"]] = detail["to"]
    found = {row["condition_id"]: row["state"] for row in table(folder, "markets")}
    assert stands == found


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Nothing is armed, everything is kept, and written once there is room."""
    lines = dict(
        line for line in said("starve", tmp_path, "relieved") if len(line) == 2
    )
    for what in ("fault", "discover", "flush"):
        assert "cannot be read or written: the disk is full or failing" in lines[what]
    numbers = [event["detail"]["number"] for event in events(tmp_path, "filler")]
    assert numbers == list(range(int(lines["count"])))
    assert [row["state"] for row in table(tmp_path, "markets")] == ["skipped"]
    assert all("PRIVATE" not in line for line in lines)


async def test_what_never_finds_room_is_logged(tmp_path: Path) -> None:
    """At the end every unwritten row is one CRITICAL line of JSON, in order."""
    lines = said("starve", tmp_path)
    count = int(next(rest for word, rest in lines if word == "count"))
    logged = [json.loads(rest) for word, rest in lines if word == "log"]
    unwritten = [
        json.loads(message.removeprefix("LEDGER_UNWRITTEN "))
        for level, message in logged
        if level == "CRITICAL"
    ]
    notes = [row["detail"]["number"] for row in unwritten if row["write"] == "note"]
    on_disk = [event["detail"]["number"] for event in events(tmp_path, "filler")]
    assert on_disk + notes == list(range(count))
    (move,) = (row for row in unwritten if row["write"] == "move")
    assert (move["condition_id"], move["state"]) == (MARKET, "skipped")
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.discover(MARKET, "btc", 1) is State.WATCHING


async def _open_and_close(folder: Path) -> None:
    async with ledger_in(folder):
        pass


@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_folder_is_refused(*, there: bool) -> None:
    """Whether the ledger is there already or not, one line says what is wrong."""
    folder = Path(tempfile.mkdtemp())
    try:
        if there:
            asyncio.run(_open_and_close(folder))
            (folder / "ledger.db").chmod(0o444)
        folder.chmod(0o555)
        ((word, rest),) = said("read_only", folder)
        assert word == "refused"
        assert rest == f"{folder / 'ledger.db'}: Permission denied"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
