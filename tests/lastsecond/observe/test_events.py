"""An event on the board: what matters of a log line, in eighty columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.observe.events import fitted, shortened

SKIP = (
    "01:57:34.001Z INFO hft_trader DECISION btc-updown-5m-1795666840 skip "
    "reason=no_ask ask_up=none ask_down=0.01 t_minus=1.000 book_age_ms=53 mode=PAPER"
)
BUY = (
    "01:57:43.000Z INFO hft_trader DECISION eth-updown-15m-1795657964 buy outcome=Down "
    "ask=0.950 limit=0.990 size=5 ask_up=0.07 ask_down=0.95 t_minus=1.000 "
    "book_age_ms=24 mode=LIVE condition_id=0x12"
)
FILL = (
    "01:57:43.002Z INFO lastsecond.purchase ORDER btc-updown-5m-1795657964 fill "
    "mode=PAPER shares=5.154639 cost=4.999999 condition_id=0x12"
)
SETTLED = (
    "01:57:45.030Z INFO lastsecond.settlement SETTLED btc-updown-5m-1795657964 won "
    "mode=PAPER payout=5.154639 cost=4.999999 fee=0.01050 pnl=+0.14414 "
    "source=stream+gamma+clob"
)
TAKEN_UP = (
    "01:56:43.191Z INFO main TAKEN_UP btc-updown-5m-1795657954 "
    'closes="2026-11-26 01:57:34 UTC" minutes=0.85 '
    'title="Bitcoin Up or Down - November 25, 8:52PM-8:57PM ET"'
)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (SKIP, "DECISION btc-5m-…840 skip reason=no_ask ask_up=none ask_down=0.01"),
        (BUY, "DECISION eth-15m-…964 buy outcome=Down ask=0.950 ask_up=0.07"),
        (FILL, "ORDER btc-5m-…964 fill shares=5.154639 cost=4.999999"),
        (
            SETTLED,
            "SETTLED btc-5m-…964 won payout=5.154639 cost=4.999999 pnl=+0.14414",
        ),
        (
            TAKEN_UP,
            'TAKEN_UP btc-5m-…954 closes="2026-11-26 01:57:34 UTC" minutes=0.85',
        ),
    ],
)
def test_what_matters_is_seen_at_eighty_columns(line: str, event: str) -> None:
    """Market, decision, side, ask, reason, profit; lesser figures go first."""
    shown = fitted(shortened(line), 80)
    assert shown == f"{line[:8]} {event}"
    assert len(shown) <= 80


def test_on_a_wide_terminal_every_figure_is_shown() -> None:
    """But for those that the board shows once for all, or nobody reads there."""
    assert fitted(shortened(BUY), 120) == (
        "01:57:43 DECISION eth-15m-…964 buy outcome=Down ask=0.950 limit=0.990 size=5 "
        "ask_up=0.07 ask_down=0.95 t_minus=1.000"
    )
    assert fitted(shortened(BUY), 200).endswith(" t_minus=1.000 book_age_ms=24")


@pytest.mark.parametrize("level", ["WARNING", "ERROR", "CRITICAL"])
def test_a_level_is_said_where_it_is_worse_than_usual(level: str) -> None:
    """INFO is not."""
    line = f"01:57:34.001Z {level} lastsecond.feed DROPPED stream=a reason=1006"
    assert shortened(line) == f"01:57:34 {level} DROPPED stream=a reason=1006"


@given(st.text(), st.integers(1, 200))
def test_any_other_line_is_harmless(line: str, width: int) -> None:
    """What is no line of ours is shown all the same, never longer than it was."""
    assert len(fitted(shortened(line), width)) <= len(line)
