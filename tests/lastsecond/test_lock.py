"""One process for each wallet."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lastsecond.errors import LedgerError, LockedError
from lastsecond.lock import wallet_lock

ROOT = Path(__file__).parents[2]
WALLET = "0xAbCdEf0123456789"
HOLD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from lastsecond.lock import wallet_lock

    with wallet_lock(Path(sys.argv[1]), sys.argv[2]):
        print("held", flush=True)
        sys.stdin.read()
    """
)


@contextmanager
def another_holding(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, WALLET],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    """The process, since when and where; and what to do."""
    with another_holding(tmp_path) as child, pytest.raises(LockedError) as told:  # noqa: SIM117
        with wallet_lock(tmp_path, WALLET):
            pass
    path = tmp_path / "0xabcdef0123456789.lock"
    start, _, rest = str(told.value).partition(" since 20")
    assert start == f"{path} is held by process {child.pid}"
    assert rest.endswith("; stop it first")
    assert "Z on " in rest


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    """The kernel frees it, whatever the file still says."""
    with another_holding(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        with wallet_lock(tmp_path, WALLET):
            (path,) = tmp_path.iterdir()
            assert path.read_text().startswith(f"process {os.getpid()} since ")


def test_it_can_be_taken_again_after(tmp_path: Path) -> None:
    """Leaving frees it, an error too; inside, nobody has it twice."""
    with pytest.raises(KeyError), wallet_lock(tmp_path, WALLET):
        raise KeyError
    with wallet_lock(tmp_path, WALLET), pytest.raises(LockedError):  # noqa: SIM117
        with wallet_lock(tmp_path, WALLET.lower()):
            pass
    with wallet_lock(tmp_path, WALLET), wallet_lock(tmp_path, "0x2"):
        pass


@pytest.mark.parametrize(
    "wallet", ["", "../../etc/passwd", "a/b", "ü" * 300, "\0", "a b", "\ud800"]
)
def test_no_wallet_leads_out_of_the_folder(tmp_path: Path, wallet: str) -> None:
    """Any text is a wallet, and its file is in the folder."""
    folder = tmp_path / "data"
    with wallet_lock(folder, wallet):
        (path,) = folder.iterdir()
        assert path.suffix == ".lock"
        assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """What cannot be locked is not taken for free."""
    (tmp_path / "data").touch()
    with pytest.raises(LedgerError, match="cannot lock: "):  # noqa: SIM117
        with wallet_lock(tmp_path / "data", WALLET):
            pass


def test_a_nameless_holder_is_another_process(tmp_path: Path) -> None:
    """The text is for people; without it the lock holds as well."""
    with wallet_lock(tmp_path, WALLET):
        (path,) = tmp_path.iterdir()
        path.write_text("")
        with pytest.raises(LockedError, match="another process; stop"):  # noqa: SIM117
            with wallet_lock(tmp_path, WALLET):
                pass
