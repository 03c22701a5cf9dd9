"""Scripts that the simulated exchange plays: genuine recordings, or a seeded market."""

from typing import TYPE_CHECKING, Protocol

from lastsecond.sim.exchange import SimulatedExchange
from lastsecond.sim.scenarios.recorded import Recorded
from lastsecond.sim.scenarios.seeded import Seeded

if TYPE_CHECKING:
    from lastsecond.ports import Clock

__all__ = ["Recorded", "Scenario", "Seeded"]


class Scenario(Protocol):
    """Something to play on an exchange."""

    async def play(self, exchange: SimulatedExchange, clock: "Clock") -> None:
        """List the markets, play them in real time, and return once all are settled."""
        ...
