"""What was seen, meant, sent, filled and settled: on disk, once, for good.

The laws of this room:

- What a market was armed with is on disk before arm() returns; nothing else waits.
- A market is armed once, ever, by whatever process.
- Rows are written in the order in which they were given. What cannot be written is kept
  and tried again, and meanwhile nothing can be armed.
- It is given no secret, and keeps of an order's body its hash alone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lastsecond.errors import LedgerError
from lastsecond.history import Day, Observation
from lastsecond.ledger.figures import RESUMED
from lastsecond.ledger.rows import REPEATED, Origin
from lastsecond.ledger.store import ArmedElsewhereError, Store
from lastsecond.ledger.writer import Writer
from lastsecond.limits import Figures
from lastsecond.market import NANOSECONDS, NO_TOKEN, ConditionId, TokenId
from lastsecond.orders import (
    STATE_OF,
    UNRESOLVED,
    Awaited,
    Estimate,
    Fill,
    IllegalMoveError,
    Matched,
    OpenOrder,
    Result,
    SignedOrder,
    State,
    check_move,
)
from lastsecond.ports import Clock

__all__ = ["RESUMED", "Figures", "Ledger", "OpenOrder", "open_ledger"]

_WITH_ROWS = {
    State.ARMED: "arm",
    State.SENT: "sent",
    State.MATCHED: "result",
    State.FILLED: "result",
    State.SETTLED: "settle",
}
"""States that need rows beside them, and the methods that write those."""

_HELD = UNRESOLVED | {State.FILLED}
_KEPT = 3600 * NANOSECONDS


@dataclass(slots=True)
class _Market:
    """One market as this run left it, whether that is on disk yet or not."""

    state: State
    close_at: int
    armed: bool = False  # ever, by whomever
    elsewhere: bool = False  # another process has it
    sendable: frozenset[str] = field(default=frozenset())  # armed by this run
    order_ids: frozenset[str] = field(default=frozenset())


class Ledger:
    """The ledger of one wallet and mode, for one event loop.

    What is awaited raises LedgerError when it cannot be had now. The rest never blocks:
    it checks the move at once, raises IllegalMoveError for a fault of this program, and
    is written later.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        """``writer`` is open."""
        self._writer = writer
        self._clock = clock
        self._markets: dict[ConditionId, _Market] = {}

    @property
    def fault(self) -> str | None:
        """Why nothing can be armed: what went wrong with writing, or None."""
        return self._writer.fault

    async def flush(self) -> None:
        """Return once everything given before is on disk. Raises LedgerError."""
        await self._writer.ask(lambda _: None)

    # -- a market's life --

    async def discover(
        self,
        condition_id: ConditionId,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId] = (NO_TOKEN, NO_TOKEN),
    ) -> State:
        """Note a market that closes at Unix ns; the state it is in by now.

        ``tokens`` are Up's and Down's.
        """
        standing = await self._writer.ask(
            partial(
                Store.discover,
                condition_id=condition_id,
                ticker=ticker,
                close_at=close_at,
                tokens=tokens,
                at=self._clock.now(),
            )
        )
        known = self._markets.get(condition_id)
        if known is not None and not known.elsewhere:
            return known.state
        self._forget()
        self._markets[condition_id] = _Market(
            standing.state, close_at, armed=standing.armed
        )
        return standing.state

    def was_armed(self, condition_id: ConditionId) -> bool:
        """Whether a discovered market ever was: then it is never watched again."""
        return self._known(condition_id).armed

    def move(
        self,
        condition_id: ConditionId,
        state: State,
        reason: str = "",
        **detail: object,
    ) -> None:
        """Note a new state that needs no more than a reason."""
        market = self._known(condition_id)
        if market.elsewhere and state is State.SKIPPED:
            self.note(condition_id, "left", reason=reason, **detail)
            return
        if method := _WITH_ROWS.get(state):
            raise IllegalMoveError(f"{condition_id} becomes {state} by {method}() only")
        self._step(condition_id, market, state)
        self._put(
            Store.move,
            condition_id=condition_id,
            state=state,
            armed=market.armed,
            detail={**detail, "reason": reason},
        )

    async def arm(
        self, condition_id: ConditionId, orders: Sequence[SignedOrder]
    ) -> None:
        """Have the orders on disk, so that one of them may be sent.

        Raises LedgerError: then nothing may. When it is cancelled, it may have armed;
        the market can be skipped all the same.
        """
        market = self._known(condition_id)
        if not orders or any(order.condition_id != condition_id for order in orders):
            raise IllegalMoveError(f"{condition_id} is armed with no order of its own")
        check_move(market.state, State.ARMED)
        if self.fault:
            raise LedgerError(self.fault)
        answer = self._writer.ask(
            partial(
                Store.arm,
                condition_id=condition_id,
                orders=tuple(orders),
                at=self._clock.now(),
            )
        )
        market.state, market.armed = State.ARMED, True
        order_ids = frozenset(order.order_id for order in orders)
        answer.add_done_callback(partial(self._armed, market, order_ids))
        await asyncio.shield(answer)

    def sent(self, condition_id: ConditionId, order_id: str, at: int) -> None:
        """Note that an order that this run armed left at Unix ns."""
        market = self._known(condition_id)
        if order_id not in market.sendable:
            raise IllegalMoveError(
                f"{condition_id}: {order_id} was not armed to be sent"
            )
        self._step(condition_id, market, State.SENT)
        market.sendable, market.order_ids = frozenset(), frozenset({order_id})
        self._put(
            Store.sent,
            condition_id=condition_id,
            order_id=order_id,
            sent_at=at,
        )

    def result(
        self, condition_id: ConditionId, order_id: str | None, result: Result
    ) -> None:
        """Note what became of an order; None where only one can be meant, or none."""
        market = self._known(condition_id)
        if order_id is None and len(market.order_ids) == 1:
            (order_id,) = market.order_ids
        if order_id not in market.order_ids and (
            order_id is not None or isinstance(result, Fill | Matched)
        ):
            raise IllegalMoveError(f"{condition_id}: {order_id} is not its order")
        state = STATE_OF[type(result)]
        if state is not market.state or state not in REPEATED:
            self._step(condition_id, market, state)
        self._put(
            Store.result,
            condition_id=condition_id,
            order_id=order_id,
            result=result,
        )

    def settle(self, condition_id: ConditionId, payout: int, source: str) -> None:
        """Note what a filled market paid, in micros, and who says so."""
        self._step(condition_id, self._known(condition_id), State.SETTLED)
        self._put(
            Store.settle,
            condition_id=condition_id,
            payout=payout,
            source=source,
        )

    def estimate(self, order_id: str, estimates: Sequence[Estimate]) -> None:
        """Note what each figure makes of an order that was sent."""
        self._put(
            Store.estimate,
            order_id=order_id,
            estimates=tuple(estimates),
        )

    def observe(self, condition_id: ConditionId, observation: Observation) -> None:
        """Note how a market was watched: once a run."""
        self._put(
            Store.observe,
            condition_id=condition_id,
            observation=observation,
        )

    def resolve(self, condition_id: ConditionId, paid_up: int, source: str) -> None:
        """Note the official result: what a share of Up paid, micros, and who says so.

        Only the first one counts.
        """
        self._put(
            Store.resolve,
            condition_id=condition_id,
            paid_up=paid_up,
            source=source,
        )

    def note(
        self, condition_id: ConditionId | None, kind: str, **detail: object
    ) -> None:
        """Note an event that changes no state; RESUMED restarts the counts in a row."""
        self._put(
            Store.note,
            condition_id=condition_id,
            kind=kind,
            detail=detail,
        )

    # -- all markets --

    async def unresolved(self) -> list[OpenOrder]:
        """Markets whose orders may have been executed, soonest closed first."""
        found = await self._writer.ask(Store.unresolved)
        for order in found:
            market = self._markets.setdefault(
                order.condition_id, _Market(order.state, order.since, armed=True)
            )
            market.order_ids = market.order_ids or frozenset(order.order_ids)
        return found

    async def awaited(self) -> list[Awaited]:
        """Closed markets whose result is to be asked for, soonest closed first."""
        found = await self._writer.ask(
            partial(Store.awaited, now=self._clock.now()),
        )
        for market in found:
            if market.token_id:
                self._markets.setdefault(
                    market.condition_id,
                    _Market(State.FILLED, market.close_at, armed=True),
                )
        return [m for m in found if not m.token_id or self._is_held(m.condition_id)]

    async def cash(self) -> int:
        """What all fills and payouts so far have added to what there was, micros."""
        return await self._writer.ask(Store.cash)

    async def day(self, since: int) -> Day:
        """What was sent since Unix ns, and what came of it."""
        return await self._writer.ask(partial(Store.day, since=since))

    async def sweep(self, now: int) -> list[ConditionId]:
        """Skip, as "stopped", what earlier runs left unarmed and has closed; which."""
        swept = await self._writer.ask(partial(Store.sweep, at=now))
        for condition_id in swept:
            market = self._markets.get(condition_id)
            if market is not None and market.state is State.DISCOVERED:
                market.state = State.SKIPPED
        return swept

    async def figures(self, day_start: int) -> Figures:
        """What the caps are held against; ``day_start`` in Unix ns."""
        return await self._writer.ask(partial(Store.figures, day_start=day_start))

    # -- what this run knows --

    def _put(self, write: Callable[..., None], **values: object) -> None:
        self._writer.put(partial(write, **values, at=self._clock.now()))

    def _forget(self) -> None:
        """Drop what closed long ago and is done with; the disk has it."""
        old = self._clock.now() - _KEPT
        self._markets = {
            condition_id: market
            for condition_id, market in self._markets.items()
            if market.close_at > old or market.state in _HELD
        }

    def _known(self, condition_id: ConditionId) -> _Market:
        market = self._markets.get(condition_id)
        if market is None:
            raise IllegalMoveError(f"{condition_id} was never discovered")
        return market

    def _is_held(self, condition_id: ConditionId) -> bool:
        return self._known(condition_id).state is State.FILLED

    def _step(self, condition_id: ConditionId, market: _Market, new: State) -> None:
        check_move(market.state, new)
        if market.elsewhere or (
            market.armed and market.state is State.SKIPPED and new is State.WATCHING
        ):
            raise IllegalMoveError(f"{condition_id} was armed before")
        market.state = new

    def _armed(
        self, market: _Market, order_ids: frozenset[str], answer: asyncio.Future[None]
    ) -> None:
        error = answer.exception()
        if error is None:
            market.sendable = market.order_ids = order_ids
            return
        market.armed = market.elsewhere = isinstance(error, ArmedElsewhereError)
        if market.state is State.ARMED:
            market.state = State.WATCHING


@asynccontextmanager
async def open_ledger(  # noqa: PLR0913  each is a column
    path: Path,
    *,
    clock: Clock,
    mode: str,
    wallet: str,
    settings_hash: str,
    code_version: str,
    host: str,
    settings: Mapping[str, str] | None = None,
    patience: float = 2.0,
) -> AsyncIterator[Ledger]:
    """The ledger in the file ``path``, which is made when missing.

    ``mode`` is PAPER or LIVE; a wallet's spelling in capitals or not is one. What locks
    the file is waited for ``patience`` seconds. Raises LedgerError. On leaving,
    everything given is on disk; what could not be written in 5 s is in the log, one
    CRITICAL line a row.
    """
    origin = Origin(
        mode=mode,
        wallet=wallet.lower(),
        settings_hash=settings_hash,
        code_version=code_version,
        host=host,
        settings=settings or {},
    )
    writer = Writer(partial(Store, path, origin, at=clock.now(), patience=patience))
    try:
        await writer.open()
        yield Ledger(writer, clock)
    finally:
        await writer.close()
