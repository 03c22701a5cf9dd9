"""The options of `python main.py`."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from lastsecond.market import NANOSECONDS
from lastsecond.observe.logs import LEVELS

_SPAN = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[mhd])")
_UNIT_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_REAL_ORDERS = ("check", "halt", "resume")
_REPORT_ONLY = ("json", "csv", "html", "since", "mode")


def parser() -> argparse.ArgumentParser:
    """The options of `python main.py`."""
    options = argparse.ArgumentParser(
        prog="python main.py",
        description="Watch Polymarket's BTC and ETH 5- and 15-minute Up or Down "
        "markets and decide in the last second of each whether to buy the favourite. "
        "Without --live nothing is ever bought: decisions and paper results go to "
        "log/trades.log.",
        epilog="Every setting of .env.example can stand in .env or the environment. "
        "Exit status: 0 done or stopped, 1 a fault or a failed check, 2 wrong usage or "
        "settings, 3 another process trades for this wallet, 42 halted.",
    )
    _add_what_to_do(options)
    _add_settings(options)
    _add_report(options)
    return options


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options given; wrong ones end the program with status 2."""
    options = parser().parse_intermixed_args(arguments)
    if objection := _objection(options):
        parser().error(objection)
    plain = options.quiet or options.log_level == "DEBUG"
    options.board = options.command == "run" and not plain
    return options


def _objection(options: argparse.Namespace) -> str | None:
    """What does not go with the command; None where all does."""
    command = options.command
    if options.reason and command != "halt":
        return f"unrecognized arguments: {' '.join(options.reason)}"
    misplaced = [name for name in _REPORT_ONLY if getattr(options, name)]
    if misplaced and command != "report":
        return f"--{misplaced[0]} goes with report only"
    if options.live and command == "report":
        return "report sends nothing: for real orders only, --mode live"
    if options.sim and command in _OF_REAL_ORDERS:
        return f"{command} is about real orders: --sim does not go with it"
    if options.once and command != "run":
        return "--once goes with run only"
    return None


def _add_what_to_do(options: argparse.ArgumentParser) -> None:
    add = options.add_argument
    add(
        "command",
        nargs="?",
        default="run",
        choices=("run", "check", "report", "halt", "resume"),
        help="run (the default); check: see whether live orders could be sent; report: "
        "what was measured, bought and earned so far; halt: forbid live orders; "
        "resume: allow them again",
    )
    add("reason", nargs="*", help="for halt: why")
    add("--live", action="store_true", help="send real orders, after a warning of 5 s")
    add(
        "--sim",
        action="store_true",
        help="offline: recorded markets on a simulated exchange on this machine; with "
        "--live, orders to it from a throw-away key",
    )
    add(
        "--once",
        action="store_true",
        help="look for markets once, see them to their close, and end",
    )


def _add_settings(options: argparse.ArgumentParser) -> None:
    add = options.add_argument
    add(
        "--size",
        metavar="PUSD",
        type=_given,
        help="spend this much on an order (TRADE_SIZE)",
    )
    add(
        "--poll-interval",
        metavar="SECONDS",
        type=_given,
        help="look for markets this often (POLL_INTERVAL)",
    )
    add(
        "--log-level",
        default="INFO",
        type=str.upper,
        choices=LEVELS,
        help="what the terminal shows; the files hold everything (default: INFO)",
    )
    add(
        "--quiet",
        action="store_true",
        help="warnings and errors only on the terminal, and no table of markets",
    )


def _add_report(options: argparse.ArgumentParser) -> None:
    group = options.add_argument_group("with report")
    group.add_argument(
        "--since",
        metavar="WHEN",
        type=_moment,
        help="markets that closed since a UTC date or time (2026-11-26, "
        "2026-11-26T13:30), or in the last 30m, 24h, 7d",
    )
    group.add_argument(
        "--mode",
        type=str.lower,
        choices=("paper", "live"),
        help="paper or live orders only",
    )
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print a CSV row a market")
    form.add_argument(
        "--html", metavar="FILE", type=_given, help="write one page with charts"
    )


def since_ns(text: str, now_ns: int) -> int:
    """The moment that --since names, Unix ns; ``now_ns`` is what a span ends at.

    Raises argparse.ArgumentTypeError where it names none.
    """
    wanted = text.strip()
    if span := _SPAN.fullmatch(wanted):
        seconds = int(span["count"]) * _UNIT_SECONDS[span["unit"]]
        return now_ns - seconds * NANOSECONDS
    try:
        moment = datetime.fromisoformat(wanted)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a UTC date or time, such as 2026-11-26 or "
            "2026-11-26T13:30, nor a span, such as 30m, 24h or 7d"
        ) from None


def _moment(text: str) -> str:
    """The text, once it is known to name a moment."""
    since_ns(text, 0)
    return text


def _given(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text
