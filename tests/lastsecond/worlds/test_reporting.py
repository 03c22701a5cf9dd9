"""`python main.py report` as a process: where its words go, and where they cannot."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

import config
from lastsecond.market import TokenId
from lastsecond.orders import State
from tests.lastsecond.ledger.setting import CLOSE, MARKET, ledger_in

MAIN = Path(__file__).parents[3] / "main.py"
FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(
    not FULL.exists(), reason="this system has no /dev/full"
)


def keep_a_market(data: Path) -> None:
    """A ledger in the folder ``data`` with one market, skipped."""

    async def keep() -> None:
        async with ledger_in(data) as ledger:
            await ledger.discover(MARKET, "btc", CLOSE, (TokenId("1"), TokenId("2")))
            ledger.move(MARKET, State.SKIPPED, "too_late")
            await ledger.flush()

    data.mkdir(parents=True)
    asyncio.run(keep())


def started(
    folder: Path, *options: str, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.Popen[str]:
    ours = config.variables()
    inherited = {name: text for name, text in os.environ.items() if name not in ours}
    return subprocess.Popen(
        [sys.executable, str(MAIN), "report", *options],
        cwd=folder,
        env=inherited | {"DATA_DIR": "data"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(folder: Path, *options: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    with started(folder, *options) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def test_the_page_is_written_where_a_link_leads(tmp_path: Path) -> None:
    """The link stays, what it leads to is replaced, and no draft is left behind."""
    keep_a_market(tmp_path / "data")
    (tmp_path / "shared").mkdir()
    target, link = tmp_path / "shared/page.html", tmp_path / "page.html"
    link.symlink_to(target)
    for before in (None, "an older page"):
        if before:
            target.write_text(before, encoding="utf-8")
        assert ended(tmp_path, "--html", "page.html") == (0, "page.html\n", "")
        assert link.is_symlink()
        assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(target.parent.iterdir()) == [target]


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    """A pipe, a folder, a device, a link to one or to itself: one line, status 1."""
    keep_a_market(tmp_path / "data")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to(os.devnull)
    (tmp_path / "circle").symlink_to("circle")
    before = sorted(tmp_path.iterdir())
    kinds = [path.lstat().st_mode for path in before]
    for name in ("pipe", "folder", "device", "/dev/stdout"):
        told = f"{name}: cannot be written: it is not a regular file\n"
        assert ended(tmp_path, "--html", name) == (1, "", told)
    for name in ("circle", "nowhere/page.html"):
        status, out, err = ended(tmp_path, "--html", name)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"{name}: cannot be written: ")
    left = [path for path in sorted(tmp_path.iterdir()) if path.name != "log"]
    assert left == before
    assert [path.lstat().st_mode for path in left] == kinds
    assert not Path(os.devnull).is_file()


@needs_full
def test_a_full_disk_is_a_line(tmp_path: Path) -> None:
    """What could not be printed is said in a line, with status 1."""
    keep_a_market(tmp_path / "data")
    for option in ("--json", "--csv"):
        with (
            FULL.open("w", encoding="utf-8") as full,
            started(tmp_path, option, stdout=full) as process,
        ):
            _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (
            1,
            "The report cannot be printed: No space left on device\n",
        )


def test_who_reads_no_further_hears_no_complaint(tmp_path: Path) -> None:
    """As `head` does: the report ends without a word."""
    keep_a_market(tmp_path / "data")
    with started(tmp_path, "--json") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(timeout=60), err) == (0, "")


def test_without_a_ledger_the_offline_one_is_named(tmp_path: Path) -> None:
    """If it is there; one line, status 1."""
    nothing = "data/ledger.db is not there: nothing has been recorded yet"
    assert ended(tmp_path) == (1, "", f"{nothing}\n")
    keep_a_market(tmp_path / "data/sim")
    hint = "for the offline one, try `python main.py report --sim`"
    assert ended(tmp_path) == (1, "", f"{nothing}; {hint}\n")
    status, out, err = ended(tmp_path, "--sim")
    assert (status, err) == (0, "")
    assert "discovered" in out
