"""What is written of measurements and results, and which results are still awaited."""

from collections.abc import Iterable, Iterator

from lastsecond.history import Day, Observation
from lastsecond.ledger.connection import File
from lastsecond.ledger.rows import CONFIRMED, Origin
from lastsecond.market import NANOSECONDS, ConditionId, TokenId
from lastsecond.matching import fee_of
from lastsecond.orders import Awaited, Estimate, Fill, State

_ASKED_FOR = 86_400 * NANOSECONDS
"""How long after its close the result of a market without a position is asked for."""

_AWAITED = """
SELECT condition_id, ticker, close_at, state,
    coalesce(nullif(token_up, ''), (
        SELECT token_id FROM orders
        WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode
            AND orders.condition_id = markets.condition_id AND outcome = 'Up'), ''),
    coalesce(nullif(token_down, ''), (
        SELECT token_id FROM orders
        WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode
            AND orders.condition_id = markets.condition_id AND outcome = 'Down'), ''),
    coalesce((SELECT heard FROM observations
        WHERE observations.wallet = markets.wallet
            AND observations.mode = markets.mode
            AND observations.condition_id = markets.condition_id AND heard <> ''
        ORDER BY run_id DESC LIMIT 1), ''),
    (SELECT paid_up FROM results
        WHERE results.wallet = markets.wallet AND results.mode = markets.mode
            AND results.condition_id = markets.condition_id),
    EXISTS (SELECT 1 FROM events
        WHERE events.wallet = markets.wallet AND events.mode = markets.mode
            AND kind = 'results_differ'
            AND events.condition_id = markets.condition_id)
FROM markets
WHERE wallet = :wallet AND mode = :mode AND close_at < :now
    AND (state = 'filled' OR (close_at > :since
        AND EXISTS (SELECT 1 FROM observations
            WHERE observations.wallet = markets.wallet
                AND observations.mode = markets.mode
                AND observations.condition_id = markets.condition_id)
        AND NOT EXISTS (SELECT 1 FROM results
            WHERE results.wallet = markets.wallet AND results.mode = markets.mode
                AND results.condition_id = markets.condition_id)))
ORDER BY close_at, condition_id
"""

_HELD = f"""
SELECT token_id, shares, cost, fee
FROM markets JOIN fills ON fills.id = {CONFIRMED}
JOIN orders ON orders.order_id = fills.order_id
WHERE markets.wallet = ? AND markets.condition_id = ? AND markets.mode = ?
"""  # noqa: S608  ours

_CASH = f"""
SELECT coalesce(sum(coalesce(payout, 0) - cost - coalesce(fee, 0)), 0)
FROM markets JOIN fills ON fills.id = {CONFIRMED}
LEFT JOIN settlements USING (wallet, condition_id, mode)
WHERE wallet = ? AND mode = ? AND state IN ('filled', 'settled')
"""  # noqa: S608  ours

_DAY = f"""
SELECT count(*), count(cost), coalesce(sum(payout - cost - coalesce(fee, 0)), 0)
FROM arms JOIN markets USING (wallet, condition_id, mode)
LEFT JOIN sends USING (wallet, condition_id, mode)
LEFT JOIN settlements USING (wallet, condition_id, mode)
LEFT JOIN fills ON fills.id = {CONFIRMED} AND state IN ('filled', 'settled')
WHERE wallet = ? AND mode = ? AND coalesce(sent_at, armed_at) >= ?
    AND (sent_at IS NOT NULL OR cost IS NOT NULL)
"""  # noqa: S608  ours


def write_estimates(
    file: File, estimates: Iterable[Estimate], *, order_id: str, run_id: int, at: int
) -> None:
    """Note what each figure makes of an order."""
    rate = fee_rate(file, order_id)
    for estimate in estimates:
        fill = estimate.result if isinstance(estimate.result, Fill) else Fill(0, 0)
        file.write(
            "INSERT INTO estimates (order_id, figure, filled, reason, ask, shares, "
            "cost, fee, at, run_id, recorded_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(order_id, estimate.figure, fill is estimate.result),
            *(getattr(estimate.result, "reason", ""), estimate.ask),
            *(fill.shares, fill.cost, fee_of(fill, rate), estimate.at, run_id, at),
        )


def fee_rate(file: File, order_id: str | None) -> int | None:
    """The rate that an order was armed with; None where it was not known."""
    found = file.read("SELECT fee_rate FROM orders WHERE order_id = ?", order_id)
    return next((rate for (rate,) in found), None)


def write_observation(
    file: File,
    key: tuple[str, str, str],
    observation: Observation,
    *,
    run_id: int,
    at: int,
) -> None:
    """Note how a market was watched, and its samples."""
    file.write(
        "INSERT INTO observations (wallet, condition_id, mode, run_id, watched_from, "
        "watched_until, silent_ms, reconnects, blocked_us, heard, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(*key, run_id, observation.watched_from, observation.watched_until),
        *(observation.silent_ms, observation.reconnects, observation.blocked_us),
        *(observation.heard, at),
    )
    for sample in observation.samples:
        file.write(
            "INSERT INTO samples (wallet, condition_id, mode, run_id, offset_ms, "
            "taken_at, favourite, ask, depth, fillable, age_ms, sockets_gap_ms, fault) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(*key, run_id, sample.offset_ms, sample.taken_at, sample.favourite),
            *(sample.ask, sample.depth, sample.fillable, sample.age_ms),
            *(sample.sockets_gap_ms, sample.fault),
        )


def write_result(
    file: File,
    key: tuple[str, str, str],
    *,
    paid_up: int,
    source: str,
    run_id: int,
    at: int,
) -> None:
    """Note what a share of Up paid, unless that is known."""
    known = "SELECT 1 FROM results WHERE wallet = ? AND condition_id = ? AND mode = ?"
    if file.read(known, *key):
        return
    file.write(
        "INSERT INTO results (wallet, condition_id, mode, paid_up, source, run_id, "
        "resolved_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(*key, paid_up, source, run_id, at),
    )


def awaited(file: File, origin: Origin, *, now: int) -> Iterator[Awaited]:
    """Closed markets whose result, or whose payout, is to be asked for."""
    rows = file.read(
        _AWAITED,
        wallet=origin.wallet,
        mode=origin.mode,
        now=now,
        since=now - _ASKED_FOR,
    )
    for condition_id, ticker, close_at, state, up, down, heard, known, disputed in rows:
        key = (origin.wallet, condition_id, origin.mode)
        held = file.read(_HELD, *key) if state == State.FILLED else []
        token_id, shares, cost, fee = held[0] if held else ("", 0, 0, 0)
        yield Awaited(
            condition_id=ConditionId(condition_id),
            ticker=ticker,
            token_up=TokenId(up),
            token_down=TokenId(down),
            close_at=close_at,
            heard=TokenId(heard),
            known=known,
            disputed=bool(disputed),
            token_id=TokenId(token_id),
            shares=shares,
            cost=cost,
            fee=fee,
        )


def cash(file: File, origin: Origin) -> int:
    """What all fills and payouts so far have added to what there was."""
    ((change,),) = file.read(_CASH, origin.wallet, origin.mode)
    return int(change)


def day(file: File, origin: Origin, *, since: int) -> Day:
    """What was sent since Unix ns, and what came of it."""
    ((orders, fills, result),) = file.read(_DAY, origin.wallet, origin.mode, since)
    return Day(orders, fills, result)
