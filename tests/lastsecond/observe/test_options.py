"""The command line's options: what goes with what, and the moments they name."""

import argparse
from datetime import UTC, datetime

import pytest

from lastsecond.market import NANOSECONDS
from lastsecond.observe.options import parse, since_ns

NOW = 1_790_000_000 * NANOSECONDS + 7


def unix_ns(*moment: int) -> int:
    year, month, day, hour, minute, second = (*moment, 0, 0, 0)[:6]
    when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return int(when.timestamp()) * NANOSECONDS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1_800), ("24h", 86_400), ("7d", 604_800), ("0h", 0), (" 24h ", 86_400)],
)
def test_a_span_ends_now(text: str, seconds: int) -> None:
    """Minutes, hours and days, counted back from now to the nanosecond."""
    assert since_ns(text, NOW) == NOW - seconds * NANOSECONDS


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-26", unix_ns(2026, 11, 26)),
        ("2026-11-26T13:30", unix_ns(2026, 11, 26, 13, 30)),
        ("2026-11-26 13:30:05", unix_ns(2026, 11, 26, 13, 30, 5)),
        ("2026-11-26T13:30:05Z", unix_ns(2026, 11, 26, 13, 30, 5)),
        ("2026-11-26T13:30:05.25Z", unix_ns(2026, 11, 26, 13, 30, 5) + 250_000_000),
        ("2026-11-26T15:30+02:00", unix_ns(2026, 11, 26, 13, 30)),
    ],
)
def test_a_date_is_utc_unless_it_says_otherwise(text: str, moment: int) -> None:
    """The machine's own zone is never in it, nor is now."""
    assert since_ns(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "yesterday", "24", "24x", "-3h", "1.5h", "h", "٣d", "9999999d"),
        *("2026-13-01", "2026-02-30", "2026-11-26T25:00", "1790000000", "24h 7d"),
    ],
)
def test_rubbish_names_no_moment(text: str) -> None:
    """The error says what would."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"such as 2026-11-26 or "):
        since_ns(text, NOW)


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of what wrong usage, status 2, says."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--json"], "--json goes with report only"),
        (["run", "--csv"], "--csv goes with report only"),
        (["check", "--html", "a.html"], "--html goes with report only"),
        (["--since", "24h"], "--since goes with report only"),
        (["--mode", "live"], "--mode goes with report only"),
        (["report", "--since", "soon"], "argument --since: 'soon' is neither a UTC"),
        (["report", "--mode", "sim"], "argument --mode: invalid choice: 'sim'"),
        (["report", "--html", ""], "argument --html: must not be empty"),
        (["report", "--json", "--csv"], "--csv: not allowed with argument --json"),
        (["report", "--html", "a", "--json"], "--json: not allowed with argument"),
        (["report", "--live"], "report sends nothing: for real orders only, --mode"),
        (["report", "why"], "unrecognized arguments: why"),
        (["halt", "--sim", "why"], "halt is about real orders: --sim does not go"),
        (["--sim", "resume"], "resume is about real orders: --sim does not go"),
        (["check", "--sim"], "check is about real orders: --sim does not go"),
        (["report", "--once"], "--once goes with run only"),
        (["halt", "--once"], "--once goes with run only"),
    ],
)
def test_what_does_not_go_together_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says which option is wrong, and why."""
    assert told in complaint(arguments, capsys)


def test_a_report_keeps_what_was_written() -> None:
    """The time stays text: what it means is known once the time is."""
    options = parse(["report", "--since", "24h", "--mode", "paper", "--csv"])
    assert (options.command, options.since, options.mode) == ("report", "24h", "paper")
    assert (options.json, options.csv, options.html) == (False, True, None)


@pytest.mark.parametrize("mode", ["live", "LIVE", "Live"])
def test_a_mode_is_written_in_any_case(mode: str) -> None:
    """The board and the log write it in capitals."""
    assert parse(["report", "--mode", mode]).mode == "live"


@pytest.mark.parametrize(
    "arguments",
    [
        ["halt", "too", "many"],
        ["halt", "--quiet", "too", "many"],
        ["--quiet", "halt", "too", "many"],
        ["halt", "too", "--quiet", "many"],
        ["halt", "--log-level", "DEBUG", "--", "too", "many"],
    ],
)
def test_a_reason_for_a_halt_may_stand_anywhere(arguments: list[str]) -> None:
    """Options before, between or after its words take nothing from it."""
    options = parse(arguments)
    assert (options.command, options.reason) == ("halt", ["too", "many"])


def test_a_run_asks_for_no_report() -> None:
    """Without options the bot runs, on a terminal that shows INFO and a board."""
    options = parse([])
    assert (options.command, options.quiet, options.log_level) == ("run", False, "INFO")
    assert parse(["--quiet"]).quiet
