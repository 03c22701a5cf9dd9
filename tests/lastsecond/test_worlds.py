"""The doorway: what a world offers once it is entered."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from config import Settings
from gamma_15m_finder import GammaAPI15mFinder
from lastsecond import worlds
from lastsecond.errors import LockedError
from lastsecond.sim.scenarios.recorded import CLOSES
from lastsecond.terms import Terms
from lastsecond.worlds import offline


def terms(folder: Path) -> Terms:
    return replace(Settings(), data_dir=str(folder)).terms()


@pytest.mark.parametrize("live", [False, True])
async def test_the_simulated_world_lists_recorded_markets_at_once(
    tmp_path: Path, *, live: bool
) -> None:
    """Its first poll finds every market played; leaving it early is prompt."""
    opener = worlds.live if live else worlds.paper
    async with (
        offline.simulated(terms(tmp_path), live=live) as (exchange, simulated),
        opener(simulated) as opened,
        offline.playing(exchange, opened, once=True) as world,
    ):
        finder = GammaAPI15mFinder(
            source=world.source, clock=world.clock, host=world.gamma_host
        )
        found = await finder.find_active_market()
        assert found is not None
        assert len(found) == len(CLOSES)
        assert world.gamma_host == world.clob_host
        assert world.venue.label == ("LIVE" if live else "PAPER")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await world.epilogue()
    assert (tmp_path / "sim" / "ledger.db").exists()


async def test_a_dry_runs_world_has_paper_and_the_hosts_it_was_given(
    tmp_path: Path,
) -> None:
    """The paper world goes where the settings say, and has nothing to wait for."""
    async with (
        offline.simulated(terms(tmp_path), live=False) as (_, simulated),
        worlds.paper(simulated) as world,
    ):
        assert world.clob_host == simulated.hosts.clob
        async with asyncio.timeout(1):
            await world.epilogue()


async def test_a_second_process_is_told_who_holds_the_wallet(tmp_path: Path) -> None:
    """Two worlds of one wallet and folder cannot be open together."""
    async with (
        offline.simulated(terms(tmp_path), live=False) as (_, simulated),
        worlds.paper(simulated),
    ):
        with pytest.raises(LockedError, match="held by process"):
            async with worlds.paper(simulated):
                pass


def test_the_settings_defaults_are_the_real_exchange() -> None:
    """Without settings the hosts are Polymarket's."""
    hosts = Settings().terms().hosts
    assert hosts.gamma == "https://gamma-api.polymarket.com"
    assert hosts.clob == "https://clob.polymarket.com"
