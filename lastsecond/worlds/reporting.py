"""What the ledger amounts to: the report, and the verdict that live trading shows."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from lastsecond.clock import SystemClock
from lastsecond.errors import LedgerError
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
    history = read_history(Path(folder) / "ledger.db")
    found = build(history, now=now, since=since, mode=options.mode)
    if options.html is not None:
        return _write(Path(options.html), page.as_html(found))
    sys.stdout.write(_form(found, options))
    return 0


def verdict(terms: Terms) -> str:
    """What the dry run with these settings has found, in a line."""
    try:
        history = read_history(Path(terms.folder) / "ledger.db")
    except LedgerError as error:
        return f"No dry run to go by: {error}"
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


def _write(path: Path, text: str) -> int:
    """Write the page whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        sys.stderr.write(f"{path}: cannot be written: {error.strerror}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0
