"""The plain tables: whose they are, how wide, and nothing in them that is not known."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from lastsecond.history import OFFSETS_MS, History
from lastsecond.observe.page import as_html
from lastsecond.observe.report import build
from lastsecond.observe.tables import LATEST, as_text
from lastsecond.orders import State
from tests.lastsecond.observe.histories import (
    MICRO,
    NOW,
    SIMULATED,
    histories,
    history,
    market,
    observation,
    plausible,
    sample,
    sent,
    settled,
)

ESCAPE = "\x1b"


def shown(found: History, *, styled: bool = False, width: int = 80) -> str:
    return as_text(build(found, now=NOW), styled=styled, width=width)


def cells(text: str, title: str, name: str) -> list[str]:
    """The cells of the line that begins with ``name`` under a table's title."""
    _, _, rest = text.partition(f": {title}\n")
    table, _, _ = rest.partition("\n\n")
    (line,) = [line for line in table.splitlines() if line.startswith(f"{name}  ")]
    return re.split(r"  +", line.strip())


@given(histories())
@settings(deadline=None)
def test_a_pipe_gets_plain_narrow_ascii(found: History) -> None:
    """No control code, no line over 80 columns, no letter that a console may lack."""
    text = shown(found)
    assert ESCAPE not in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
def test_every_table_says_whose_it_is(mode: str) -> None:
    """A title with PAPER or LIVE stands over every table."""
    parts = shown(plausible(300, mode=mode)).split("\n\n")
    tables = [part for part in parts if "\n---" in part]
    assert len(tables) == (8 if mode == "PAPER" else 10)
    assert all(table.lstrip().startswith(f"{mode}: ") for table in tables)
    other = {"PAPER": "LIVE", "LIVE": "PAPER"}[mode]
    assert other not in "".join(parts)


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
def test_a_simulation_says_so_in_every_title(mode: str) -> None:
    """Whoever cuts out a table, or a line of the verdict, takes the word with it."""
    text = shown(plausible(300, mode=mode, host=SIMULATED))
    titles = re.findall(rf"^{mode}.*$", text, re.MULTILINE)
    assert len(titles) == (10 if mode == "PAPER" else 12)
    assert all(title.startswith(f"{mode} (SIMULATED)") for title in titles)
    assert max(map(len, text.splitlines())) <= 80


def test_every_figure_of_availability_is_shown_whole() -> None:
    """Thousands of markets at 100 % do not push a column over the edge."""
    shots = [sample(at, ask=980_000, fillable=True) for at in OFFSETS_MS]
    row = market(observation=observation(shots), paid_up=MICRO)
    table = shown(history(*(replace(row, ticker=f"{n}") for n in range(1500))))
    title = "was there something to buy within the cap?"
    assert cells(table, title, " T-60 s") == [
        *("T-60 s", "1500", "100 %", "100-100 %", "0.980", "100.0 %", "100.0 %"),
        *("0", "0"),
    ]


def test_paper_timing_is_of_the_decision() -> None:
    """No byte leaves on paper, and nobody answers."""
    paper, live = shown(plausible(50)), shown(plausible(50, mode="LIVE"))
    assert "PAPER: decision after the trigger" in paper
    assert "byte" not in paper
    assert "answer after" not in paper
    assert "LIVE: first byte after the trigger" in live
    assert cells(live, "health", "answer after first byte")[1].startswith("half ")
    assert "answer after\n" in live
    assert "paper matched\n" in live


@pytest.mark.parametrize(
    ("size", "options", "told"),
    [
        (0, {"mode": "live"}, "No market is in the ledger yet."),
        (1, {"mode": "live"}, "The only market in the ledger does not fit --mode."),
        (6, {"since": NOW}, "None of the 6 markets in the ledger fits --since."),
        (
            6,
            {"since": NOW, "mode": "live"},
            "None of the 6 markets in the ledger fits --since and --mode.",
        ),
    ],
)
def test_markets_that_were_not_asked_for_are_still_there(
    size: int, options: dict[str, Any], told: str
) -> None:
    """A ledger is not called empty because of --since or --mode."""
    report = build(history(*map(market, range(size))), now=NOW, **options)
    assert as_text(report).startswith(f"{told}\n")
    assert f"<p>{told}</p>" in as_html(report)


def test_availability_is_the_first_table() -> None:
    """Whether there is anything to buy comes before any profit."""
    titles = re.findall(r"^PAPER: (.+)$", shown(plausible(50)), re.MULTILINE)
    assert titles[0] == "was there something to buy within the cap?"


def test_a_terminal_gets_the_same_words_in_colour() -> None:
    """Colour is all that a terminal adds."""
    found = plausible(50)
    styled = shown(found, styled=True)
    assert ESCAPE in styled
    bare = re.sub(r"\x1b\[[\d;]*m", "", styled)
    assert [line.rstrip() for line in bare.splitlines()] == shown(found).splitlines()


def test_a_narrow_terminal_is_given_the_usual_width() -> None:
    """Columns are not squeezed until numbers break."""
    found = plausible(50)
    assert shown(found, width=20) == shown(found)


def test_what_is_not_known_is_a_dash() -> None:
    """No fill: no price, no rate and no profit, rather than noughts."""
    text = shown(history(market()))
    for name in ("filled", "won", "average price", "break-even with fees", "fees paid"):
        assert cells(text, "profit, pUSD", name)[1] == "-"
    figures = "profit by figure, pUSD; the first one counts"
    assert cells(text, figures, "realistic")[1] == "-"


def test_the_verdict_is_on_top() -> None:
    """The first paragraph says what the group was, and what to think of it."""
    top, *_ = shown(history(settled())).split("\n\n")
    first, _, third, *_ = top.splitlines()
    assert first == "PAPER  5 pUSD at 0.99 or less, from T-1.0 s  (settings aaa)"
    assert third.startswith("PAPER NOT ENOUGH DATA: 1 win and 0 losses")


def test_the_same_skip_in_a_row_is_said_loudly() -> None:
    """Before any table, with since when."""
    rows = [market(n, reason="stale_book") for n in range(12)]
    top, *_ = shown(history(*rows)).split("\n\n")
    wanted = (
        f"PAPER LOOK: 12 markets in a row ended in stale_book, from {rows[0].ticker}"
    )
    assert wanted in " ".join(top.split())


def test_many_markets_are_cut_to_the_latest() -> None:
    """Only the latest are listed, and the title says how many are not."""
    text = shown(history(*(market(n) for n in range(LATEST + 5))))
    assert text.count("btc-updown-5m-") == LATEST + 1  # the loud line names one
    assert "PAPER: markets (latest; 5 more in" in text


def test_words_of_others_cannot_steer_a_terminal() -> None:
    """What an exchange answered is shown without its control codes and markup."""
    row = sent(state=State.REJECTED, reason="\x1b[31mred[/] [bold]\r\n:smile:")
    text = shown(history(row))
    assert ESCAPE not in text
    assert "?[31mred[/] [bold]??:smile:" in text.replace("\n", "")


def test_the_footer_tells_what_a_dry_run_cannot_see() -> None:
    """Whatever the figures say, the model's optimism and the prior are told."""
    for found in (history(), plausible(30)):
        text = " ".join(shown(found).split())
        assert "nobody else competes" in text
        assert "321 wins in a row" in text
    assert shown(history()).startswith("No market is in the ledger yet.")
