"""The offline exchange: a strict Polymarket on loopback, and the scripts it plays."""

from lastsecond.sim.channel import Connection
from lastsecond.sim.exchange import Request, SimulatedExchange
from lastsecond.sim.faults import Faults, HttpFault
from lastsecond.sim.ladder import Side
from lastsecond.sim.market import SimMarket

__all__ = [
    "Connection",
    "Faults",
    "HttpFault",
    "Request",
    "Side",
    "SimMarket",
    "SimulatedExchange",
]
