"""What was measured and done, as the ledger keeps it and the report reads it.

Money and prices are micros, times Unix nanoseconds unless a name says otherwise. None
means that it is not known; it is never a zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from lastsecond.market import Outcome
from lastsecond.money import MICRO
from lastsecond.orders import Figure, State

OFFSETS_MS = (
    *(-60_000, -30_000, -20_000, -10_000, -5_000, -3_000, -2_000, -1_000, -500, -200),
    *(1_000, 5_000, 30_000),
)
"""When a market is measured: ms from its close, negative before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What could be bought at one moment: the favourite's asks under the cap.

    The favourite is the outcome with the higher best ask, nobody asking being higher
    than anybody; None where the books do not tell. ``ask`` None: nobody sells it.
    ``fault``: why the books were not to be believed, "" when they were.
    """

    offset_ms: int
    taken_at: int
    favourite: Outcome | None
    ask: int | None
    depth: int
    """What its asks at or under MAX_PRICE cost together, micro-dollars."""
    fillable: bool
    """Whether TRADE_SIZE could be spent on them, the books being believed."""
    age_ms: int | None
    """Since the quieter book was last known true."""
    sockets_gap_ms: int | None
    """Between the last data of the two sockets."""
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One market as it was watched: once, by one run."""

    watched_from: int
    watched_until: int
    silent_ms: int
    """Without data from either socket for more than a second, added up."""
    reconnects: int
    blocked_us: int | None = None
    """The longest that this program held up its event loop in the last 10 s."""
    heard: str
    """The winning token by the stream's market_resolved; "" when it did not come."""
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateRecord:
    """What one figure makes of an order; ``filled`` False has a reason and zeros."""

    figure: Figure
    filled: bool
    reason: str
    ask: int | None
    shares: int
    cost: int
    fee: int | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One start of the program; ``settings`` by variable, without secrets."""

    id: int
    started_at: int
    mode: str
    wallet: str
    settings_hash: str
    code_version: str
    host: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRecord:
    """Everything about one market of one wallet and mode."""

    ticker: str
    condition_id: str
    mode: str
    wallet: str
    settings_hash: str
    """Of the run that sent, armed or watched it last."""
    close_at: int
    state: State
    reason: str
    watched: bool
    """Whether its sockets were ever open."""

    # its order, None where none was sent
    order_id: str | None = None
    side: Outcome | None = None
    limit: int | None = None
    spend: int | None = None
    sent_at: int | None = None
    answered_at: int | None = None
    """When the venue's first answer was noted."""

    # its fill, None where there is none
    shares: int | None = None
    cost: int | None = None
    fee: int | None = None

    # its end
    payout: int | None = None
    settled_at: int | None = None
    paid_up: int | None = None
    """What a share of Up paid: 1000000, 0, or 500000 when void; None until known."""
    result_source: str | None = None
    disputed: bool = False
    """Whether the sources of its result contradicted each other."""

    estimates: Mapping[Figure, EstimateRecord] = field(default_factory=dict)
    observation: Observation | None = None

    @property
    def price(self) -> int | None:
        """What a share cost on average; None where nothing was bought."""
        if self.cost is None or not self.shares:
            return None
        return self.cost * MICRO // self.shares


@dataclass(frozen=True, slots=True)
class History:
    """A ledger, read: its runs, and its markets by their close."""

    runs: tuple[RunRecord, ...]
    markets: tuple[MarketRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStatus:
    """One market, now; None is what is not known."""

    ticker: str
    state: str
    """A State, or the reason why it was skipped."""
    close_at: int
    """Unix ns."""
    ask_up: Decimal | None = None
    ask_down: Decimal | None = None
    favourite: Outcome | None = None
    bought: str | None = None
    """The side and price of its order, "Up 0.97", once one was sent."""
    depth: int | None = None
    """What the favourite's asks at or under the cap cost together, micro-dollars."""
    book_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day of a wallet and mode: orders sent, filled, and what came of them.

    ``result`` is that of its settled markets after known fees, micro-dollars.
    """

    orders: int = 0
    fills: int = 0
    result: int = 0
