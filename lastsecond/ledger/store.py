"""Every reading and writing of the ledger, one transaction each, for one thread."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lastsecond.history import Day, Observation
from lastsecond.ledger import figures, measured
from lastsecond.ledger.connection import File, RefusedError
from lastsecond.ledger.rows import REPEATED, Origin, Standing, as_json
from lastsecond.limits import Figures
from lastsecond.market import ConditionId, TokenId
from lastsecond.matching import fee_of
from lastsecond.orders import (
    STATE_OF,
    UNRESOLVED,
    Awaited,
    Estimate,
    Fill,
    Matched,
    OpenOrder,
    Result,
    SignedOrder,
    State,
    whole,
)


class ArmedElsewhereError(RefusedError):
    """Another process, or an earlier run, has armed this market."""


class Store:
    """The ledger of one wallet and mode. Times are Unix ns; all raise LedgerError."""

    def __init__(
        self, path: Path, origin: Origin, *, at: int, patience: float = 2.0
    ) -> None:
        """Open or create the file, and begin a run."""
        self._origin = origin
        self._file = File(path, patience=patience)
        try:
            self._begin(at)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, at: int) -> None:
        origin = self._origin
        with self._file.writing():
            self._file.write(
                "INSERT INTO runs (started_at, mode, wallet, settings_hash, "
                "code_version, host) VALUES (?, ?, ?, ?, ?, ?)",
                *(at, origin.mode, origin.wallet, origin.settings_hash),
                *(origin.code_version, origin.host),
            )
            ((self.run_id,),) = self._file.read("SELECT last_insert_rowid()")
            self._event(None, "started", {"settings": origin.settings}, at)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    # -- writing --

    def discover(
        self,
        condition_id: ConditionId,
        *,
        ticker: str,
        close_at: int,
        tokens: tuple[TokenId, TokenId],
        at: int,
    ) -> Standing:
        """Note a market unless it is known; how it stands."""
        with self._file.writing():
            if standing := self._standing(condition_id):
                return standing
            self._file.write(
                "INSERT INTO markets (wallet, condition_id, mode, ticker, close_at, "
                "state, reason, run_id, updated_at, token_up, token_down) "
                "VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, ?, ?)",
                *(*self._key(condition_id), ticker, close_at),
                *(State.DISCOVERED, self.run_id, at, *tokens),
            )
            detail = {"ticker": ticker, "close_at": close_at}
            self._event(condition_id, "discovered", detail, at)
        return Standing(State.DISCOVERED, armed=False)

    def arm(
        self, condition_id: ConditionId, *, orders: Sequence[SignedOrder], at: int
    ) -> None:
        """Have a market's orders on disk before any is sent; at most once, ever."""
        with self._file.writing():
            self._expect_unarmed(condition_id)
            self._insert("arms", condition_id, run_id=self.run_id, armed_at=at)
            for order in orders:
                self._insert(
                    "orders",
                    condition_id,
                    order_id=order.order_id,
                    token_id=order.token_id,
                    outcome=order.outcome,
                    maker_amount=order.maker_amount,
                    taker_amount=order.taker_amount,
                    limit_price=order.limit,
                    body_sha256=hashlib.sha256(order.body).hexdigest(),
                    run_id=self.run_id,
                    armed_at=at,
                    fee_rate=order.fee_rate,
                )
            ids = [order.order_id for order in orders]
            self._change(condition_id, State.ARMED, "armed", {"order_ids": ids}, at)

    def move(
        self,
        condition_id: ConditionId,
        *,
        state: State,
        armed: bool,
        detail: Mapping[str, object],
        at: int,
    ) -> None:
        """Note a new state. What another process armed is not moved: ``armed``."""
        with self._file.writing():
            if not armed:
                self._expect_unarmed(condition_id)
            self._change(condition_id, state, "moved", detail, at)

    def sent(
        self, condition_id: ConditionId, *, order_id: str, sent_at: int, at: int
    ) -> None:
        """Note which order left, and when."""
        with self._file.writing():
            self._insert(
                "sends",
                condition_id,
                order_id=order_id,
                run_id=self.run_id,
                sent_at=sent_at,
            )
            detail = {"order_id": order_id, "sent_at": sent_at}
            self._change(condition_id, State.SENT, "sent", detail, at)

    def result(
        self,
        condition_id: ConditionId,
        *,
        order_id: str | None,
        result: Result,
        at: int,
    ) -> None:
        """Note what became of an order."""
        state = STATE_OF[type(result)]
        with self._file.writing():
            if isinstance(result, Fill | Matched):
                self._fill(order_id, result, at)
            detail = {
                "order_id": order_id,
                "result": result,
                "reason": getattr(result, "reason", ""),
            }
            self._change(condition_id, state, "result", detail, at)

    def settle(
        self, condition_id: ConditionId, *, payout: int, source: str, at: int
    ) -> None:
        """Note what a filled market paid, in micros, and who says so."""
        with self._file.writing():
            self._insert(
                "settlements",
                condition_id,
                payout=payout,
                source=source,
                run_id=self.run_id,
                settled_at=at,
            )
            detail = {"payout": payout, "source": source}
            self._change(condition_id, State.SETTLED, "settled", detail, at)

    def estimate(
        self, order_id: str, *, estimates: Sequence[Estimate], at: int
    ) -> None:
        """Note what each figure makes of an order."""
        with self._file.writing():
            measured.write_estimates(
                self._file, estimates, order_id=order_id, run_id=self.run_id, at=at
            )

    def observe(
        self, condition_id: ConditionId, *, observation: Observation, at: int
    ) -> None:
        """Note how a market was watched, and what was measured."""
        with self._file.writing():
            measured.write_observation(
                self._file,
                self._key(condition_id),
                observation,
                run_id=self.run_id,
                at=at,
            )

    def resolve(
        self, condition_id: ConditionId, *, paid_up: int, source: str, at: int
    ) -> None:
        """Note what a share of Up paid, micros, unless that is known."""
        with self._file.writing():
            measured.write_result(
                self._file,
                self._key(condition_id),
                paid_up=paid_up,
                source=source,
                run_id=self.run_id,
                at=at,
            )

    def note(
        self,
        condition_id: ConditionId | None,
        *,
        kind: str,
        detail: Mapping[str, object],
        at: int,
    ) -> None:
        """Note an event that changes no state."""
        with self._file.writing():
            self._event(condition_id, kind, detail, at)

    def sweep(self, *, at: int) -> list[ConditionId]:
        """Skip what earlier runs left unarmed and has closed; which."""
        with self._file.writing():
            left = self._file.read(
                "SELECT condition_id FROM markets WHERE wallet = ? AND mode = ? "
                "AND state IN (?, ?) AND close_at < ? AND run_id <> ?",
                *(self._origin.wallet, self._origin.mode),
                *(State.DISCOVERED, State.WATCHING, at, self.run_id),
            )
            for (condition_id,) in left:
                detail = {"reason": "stopped"}
                self._change(condition_id, State.SKIPPED, "moved", detail, at)
        return [ConditionId(condition_id) for (condition_id,) in left]

    # -- reading --

    def unresolved(self) -> list[OpenOrder]:
        """Markets whose orders may have been executed, soonest closed first."""
        found = self._file.read(
            "SELECT condition_id, ticker, state, order_id, "
            "coalesce(sent_at, armed_at), "
            "EXISTS (SELECT 1 FROM fills JOIN orders USING (order_id) "
            "WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode "
            "AND orders.condition_id = markets.condition_id), "
            "(SELECT min(taker_amount) FROM orders "
            "WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode "
            "AND orders.condition_id = markets.condition_id "
            "AND orders.order_id = coalesce(sends.order_id, orders.order_id)) "
            "FROM markets JOIN arms USING (wallet, condition_id, mode) "
            "LEFT JOIN sends USING (wallet, condition_id, mode) "
            "WHERE wallet = ? AND mode = ? "
            "AND state IN (SELECT value FROM json_each(?)) "
            "ORDER BY close_at, condition_id",
            *(self._origin.wallet, self._origin.mode, as_json(sorted(UNRESOLVED))),
        )
        return [
            OpenOrder(
                condition_id=ConditionId(condition_id),
                ticker=ticker,
                state=State(state),
                order_ids=(sent,) if sent else self._orders(condition_id),
                since=since,
                matched=bool(matched),
                at_least=whole(least),
            )
            for condition_id, ticker, state, sent, since, matched, least in found
        ]

    def awaited(self, *, now: int) -> list[Awaited]:
        """Closed markets whose result is to be asked for, soonest closed first."""
        return list(measured.awaited(self._file, self._origin, now=now))

    def cash(self) -> int:
        """What all fills and payouts so far have added to what there was, micros."""
        return measured.cash(self._file, self._origin)

    def day(self, *, since: int) -> Day:
        """What was sent since Unix ns, and what came of it."""
        return measured.day(self._file, self._origin, since=since)

    def figures(self, day_start: int) -> Figures:
        """What the caps are held against."""
        return figures.count(self._file, self._origin, self.run_id, day_start)

    # -- rows --

    def _key(self, condition_id: ConditionId) -> tuple[str, str, str]:
        return self._origin.wallet, condition_id, self._origin.mode

    def _standing(self, condition_id: ConditionId) -> Standing | None:
        found = self._file.read(
            "SELECT state, arms.run_id IS NOT NULL FROM markets "
            "LEFT JOIN arms USING (wallet, condition_id, mode) "
            "WHERE wallet = ? AND condition_id = ? AND mode = ?",
            *self._key(condition_id),
        )
        for state, armed in found:
            return Standing(State(state), bool(armed))
        return None

    def _expect_unarmed(self, condition_id: ConditionId) -> None:
        standing = self._standing(condition_id)
        if standing is not None and standing.armed:
            raise ArmedElsewhereError(
                f"{condition_id} was armed by another process or an earlier run"
            )

    def _fill(self, order_id: str | None, result: Fill | Matched, at: int) -> None:
        trades = result.trade_ids if isinstance(result, Matched) else ()
        rate = measured.fee_rate(self._file, order_id)
        self._file.write(
            "INSERT INTO fills (order_id, status, shares, cost, trade_ids, "
            "run_id, recorded_at, fee) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *(order_id, STATE_OF[type(result)], result.shares, result.cost),
            *(as_json(trades), self.run_id, at),
            fee_of(result, rate) if isinstance(result, Fill) else None,
        )

    def _orders(self, condition_id: ConditionId) -> tuple[str, ...]:
        found = self._file.read(
            "SELECT order_id FROM orders "
            "WHERE wallet = ? AND condition_id = ? AND mode = ? ORDER BY order_id",
            *self._key(condition_id),
        )
        return tuple(order_id for (order_id,) in found)

    def _insert(self, table: str, condition_id: ConditionId, **columns: object) -> None:
        names = ", ".join(("wallet", "condition_id", "mode", *columns))
        marks = ", ".join("?" * (3 + len(columns)))
        self._file.write(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608  ours
            *self._key(condition_id),
            *columns.values(),
        )

    def _change(
        self,
        condition_id: ConditionId,
        state: State,
        kind: str,
        detail: Mapping[str, object],
        at: int,
    ) -> None:
        standing = self._standing(condition_id)
        if standing is None:
            raise RefusedError(f"{condition_id} was never discovered")
        if standing.state is not state or state not in REPEATED:
            reason = str(detail.get("reason", "")).encode(errors="replace").decode()
            self._file.write(
                "UPDATE markets SET state = ?, reason = ?, run_id = ?, updated_at = ? "
                "WHERE wallet = ? AND condition_id = ? AND mode = ?",
                *(state, reason, self.run_id, at),
                *self._key(condition_id),
            )
        step = {**detail, "from": standing.state, "to": state}
        self._event(condition_id, kind, step, at)

    def _event(
        self,
        condition_id: ConditionId | None,
        kind: str,
        detail: Mapping[str, object],
        at: int,
    ) -> None:
        origin = self._origin
        self._file.write(
            "INSERT INTO events (at, run_id, wallet, condition_id, mode, "
            "settings_hash, code_version, kind, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(at, self.run_id, origin.wallet, condition_id, origin.mode),
            *(origin.settings_hash, origin.code_version, kind, as_json(detail)),
        )
