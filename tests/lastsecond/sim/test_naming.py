"""Ids and titles in production's forms."""

import re

from lastsecond.market import Asset, Interval, Outcome, Window
from lastsecond.sim import naming


def test_ids_have_the_form_of_the_exchanges() -> None:
    """Token ids are 77 or 78 digits, condition ids 0x and 64 hex digits."""
    for epoch in range(1_790_000_100, 1_790_030_100, 300):
        slug = f"btc-updown-5m-{epoch}"
        assert re.fullmatch(r"0x[0-9a-f]{64}", naming.condition_id(slug))
        tokens = {naming.token_id(slug, outcome) for outcome in Outcome}
        assert len(tokens) == 2
        assert all(re.fullmatch(r"[1-9]\d{76,77}", token) for token in tokens)


def test_titles_are_in_eastern_time_across_noon_and_daylight_saving() -> None:
    """Titles follow New York: 12AM is midnight, and summer is an hour ahead."""
    winter = Window(Asset.BTC, Interval.FIVE_MINUTES, 1_795_671_060)
    summer = Window(Asset.ETH, Interval.FIFTEEN_MINUTES, 1_782_287_100)
    assert naming.title(winter) == (
        "Bitcoin Up or Down - November 26, 12:31AM-12:36AM ET"
    )
    assert naming.title(summer) == "Ethereum Up or Down - June 24, 3:45AM-4:00AM ET"
