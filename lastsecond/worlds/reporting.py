"""What the ledger amounts to: the report, and the verdict that live trading shows."""

import argparse
import os
import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

from lastsecond.clock import SystemClock
from lastsecond.errors import LedgerError
from lastsecond.history import History
from lastsecond.ledger.reading import read_history
from lastsecond.observe import export, page, tables
from lastsecond.observe.options import since_ns
from lastsecond.observe.report import Report, build
from lastsecond.terms import Terms


def report(terms: Terms, options: argparse.Namespace) -> int:
    """Print, or write to a file, what the options ask for; the exit status.

    Raises LedgerError where there is no ledger that can be read.
    """
    folder = terms.folder / "sim" if options.sim else terms.folder
    now = SystemClock().now()
    since = None if options.since is None else since_ns(options.since, now)
    history = _history(Path(folder) / "ledger.db")
    found = build(history, now=now, since=since, mode=options.mode)
    if options.html is not None:
        return _write(Path(options.html), page.as_html(found))
    return _print(_form(found, options))


def verdict(terms: Terms) -> str:
    """What the dry run with these settings has found, in a line."""
    try:
        history = read_history(Path(terms.folder) / "ledger.db")
    except LedgerError as error:
        return f"No dry run to go by: {error}"
    own = [m for m in history.markets if m.settings_hash == terms.fingerprint]
    history = replace(history, markets=tuple(own))
    found = build(history, now=SystemClock().now(), mode="paper")
    group = found.group("PAPER", terms.fingerprint)
    if group is None:
        return "No dry run with these settings to go by: `python main.py` makes one."
    return f"Dry run: {group.verdict.word}. {group.verdict.reason}"


def _form(found: Report, options: argparse.Namespace) -> str:
    if options.json:
        return export.as_json(found)
    if options.csv:
        return export.as_csv(found)
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else tables.WIDTH
    return tables.as_text(found, width=width, styled=on_terminal)


def _history(path: Path) -> History:
    """The ledger, read; without one, the error names the offline one if it is there."""
    try:
        return read_history(path)
    except LedgerError as error:
        if not path.exists() and (path.parent / "sim" / path.name).exists():
            hint = "for the offline one, try `python main.py report --sim`"
            raise LedgerError(f"{error}; {hint}") from error
        raise


def _write(path: Path, text: str) -> int:
    """Write the page whole or not at all; the exit status.

    A link is followed: what it leads to is replaced, and only if it is a regular file.
    """
    try:
        if _in_the_way(path):
            sys.stderr.write(f"{path}: cannot be written: it is not a regular file\n")
            return 1
        _replace(Path(os.path.realpath(path)), text)
    except OSError as error:
        sys.stderr.write(f"{path}: cannot be written: {error.strerror}\n")
        return 1
    return _print(f"{path}\n")


def _in_the_way(path: Path) -> bool:
    """Whether ``path`` leads to something that a page must not take the place of."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def _replace(target: Path, text: str) -> None:
    """Put a draft beside ``target`` in its place. Raises OSError, and leaves none."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
        draft.replace(target)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _print(text: str) -> int:
    """Print to the last letter; the exit status.

    Who reads no further, as `head` does, has had enough: that is no fault.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_the_rest()
    except OSError as error:
        _drop_the_rest()
        sys.stderr.write(f"The report cannot be printed: {error.strerror}\n")
        return 1
    return 0


def _drop_the_rest() -> None:
    """Let what could not be printed go nowhere, or it would be tried again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
