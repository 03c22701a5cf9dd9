"""The doorway: what a world offers once it is entered."""

import asyncio

import pytest

from config import Settings
from gamma_15m_finder import GammaAPI15mFinder
from lastsecond import worlds
from lastsecond.sim.scenarios.recorded import CLOSES


async def test_the_simulated_world_lists_recorded_markets_at_once() -> None:
    """Its first poll finds every market played; leaving it early is prompt."""
    async with worlds.simulated() as world:
        finder = GammaAPI15mFinder(
            source=world.source, clock=world.clock, host=world.gamma_host
        )
        found = await finder.find_active_market()
        assert found is not None
        assert len(found) == len(CLOSES)
        assert world.gamma_host == world.clob_host
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await world.epilogue()


async def test_a_dry_runs_world_has_paper_and_the_hosts_it_was_given() -> None:
    """The paper world goes where the settings say, and has nothing to wait for."""
    settings = Settings()
    async with worlds.paper(
        gamma_host=settings.gamma_host,
        clob_host=settings.clob_host,
        clob_ws_url=settings.clob_ws_url,
    ) as world:
        assert world.venue.label == "PAPER"
        assert world.gamma_host == "https://gamma-api.polymarket.com"
        assert world.clob_host == "https://clob.polymarket.com"
        async with asyncio.timeout(1):
            await world.epilogue()
