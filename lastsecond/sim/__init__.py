"""The offline exchange: a strict Polymarket on loopback, and the scripts it plays."""

from lastsecond.sim import order_faults
from lastsecond.sim.accounts import Account
from lastsecond.sim.channel import Connection
from lastsecond.sim.exchange import Request, SimulatedExchange
from lastsecond.sim.faults import Faults, HttpFault
from lastsecond.sim.ladder import Side
from lastsecond.sim.market import SimMarket
from lastsecond.sim.order_faults import OrderFault
from lastsecond.sim.orders import ReceivedOrder, Verdict
from lastsecond.sim.rules import Rules
from lastsecond.sim.trades import Order, Trade, TradeStatus

__all__ = [
    "Account",
    "Connection",
    "Faults",
    "HttpFault",
    "Order",
    "OrderFault",
    "ReceivedOrder",
    "Request",
    "Rules",
    "Side",
    "SimMarket",
    "SimulatedExchange",
    "Trade",
    "TradeStatus",
    "Verdict",
    "order_faults",
]
