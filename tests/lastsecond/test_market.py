"""Windows and their slugs say the same thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastsecond.market import Asset, Interval, Outcome, Window, windows_closing

WINDOWS = st.builds(
    lambda asset, interval, number: Window(asset, interval, number * interval.seconds),
    st.sampled_from(Asset),
    st.sampled_from(Interval),
    st.integers(400_000, 10_000_000),
)


def test_a_slug_names_the_start_of_its_window() -> None:
    """The number in a slug is the second at which the window opens, not closes."""
    window = Window.from_slug("btc-updown-5m-1776252300")
    assert window == Window(Asset.BTC, Interval.FIVE_MINUTES, 1776252300)
    assert window is not None
    assert window.end == 1776252600


@given(WINDOWS)
def test_slugs_round_trip(window: Window) -> None:
    """A window's slug reads back as that window."""
    assert Window.from_slug(window.slug) == window


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "sol-updown-5m-1776252300",
        "btc-updown-4h-1776252300",
        "btc-updown-1h-1776252300",
        "BTC-updown-5m-1776252300",
        "btc-updown-5m-1776252300 ",
        "btc-updown-5m-1776252300\n",
        "btc-updown-5m-",
        "btc-updown-5m-17762523x0",
        "bitcoin-up-or-down-september-24-2026-1am-et",
    ],
)
def test_other_slugs_are_no_window(slug: str) -> None:
    """Other coins, lengths and spellings are not read as a window."""
    assert Window.from_slug(slug) is None


def test_names_are_those_of_the_exchange() -> None:
    """Coins have the titles, outcomes the opposites, that the exchange gives them."""
    assert [asset.title for asset in Asset] == ["Bitcoin", "Ethereum"]
    assert (Outcome.UP.other, Outcome.DOWN.other) == (Outcome.DOWN, Outcome.UP)


def test_lists_the_windows_that_close_soon() -> None:
    """Windows closing in (after, until] come soonest first, each coin once."""
    found = windows_closing(Asset, Interval, 1776252300, 1776252900)
    assert [window.slug for window in found] == [
        "btc-updown-15m-1776251700",
        "btc-updown-5m-1776252300",
        "eth-updown-15m-1776251700",
        "eth-updown-5m-1776252300",
        "btc-updown-5m-1776252600",
        "eth-updown-5m-1776252600",
    ]


@given(
    st.integers(10**9, 2 * 10**9),
    st.integers(0, 3_000),
    st.sets(st.sampled_from(Asset)),
    st.sets(st.sampled_from(Interval)),
)
def test_lists_exactly_the_windows_of_the_span(
    after: int, span: int, assets: set[Asset], intervals: set[Interval]
) -> None:
    """Every aligned close within the span is listed once, and no other."""
    found = windows_closing(iter(assets), intervals, after, after + span)
    expected = {
        Window(asset, interval, end - interval.seconds)
        for asset in assets
        for interval in intervals
        for end in range(after + 1, after + span + 1)
        if end % interval.seconds == 0
    }
    assert set(found) == expected
    assert len(found) == len(expected)
    assert [window.end for window in found] == sorted(window.end for window in found)
