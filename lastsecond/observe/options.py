"""The options of `python main.py`."""

import argparse
from collections.abc import Sequence

from lastsecond.observe.logs import LEVELS


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
    return options


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options given; wrong ones end the program with status 2."""
    options = parser().parse_args(arguments)
    if options.reason and options.command != "halt":
        parser().error(f"unrecognized arguments: {' '.join(options.reason)}")
    if options.sim and options.poll_interval is None:
        options.poll_interval = "20"  # a round of the simulated exchange takes 77 s
    return options


def _add_what_to_do(options: argparse.ArgumentParser) -> None:
    add = options.add_argument
    add(
        "command",
        nargs="?",
        default="run",
        choices=("run", "check", "halt", "resume"),
        help="run (the default); check: see whether live orders could be sent; halt: "
        "forbid live orders; resume: allow them again",
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


def _given(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text
