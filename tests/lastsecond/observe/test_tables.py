"""The plain tables: whose they are, how wide, and nothing in them that is not known."""

import re

import pytest
from hypothesis import given, settings

from lastsecond.history import History
from lastsecond.observe.report import build
from lastsecond.observe.tables import LATEST, as_text
from lastsecond.orders import State
from tests.lastsecond.observe.histories import (
    NOW,
    histories,
    history,
    market,
    plausible,
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
