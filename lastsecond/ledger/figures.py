"""What the caps are held against, counted from the ledger's rows.

Whatever may have happened is counted as if it had: an order that may have left, a fill
that is not confirmed, a position that is not paid.
"""

from lastsecond.ledger.connection import File
from lastsecond.ledger.rows import CONFIRMED, Origin
from lastsecond.limits import Figures
from lastsecond.orders import State

RESUMED = "resumed"
"""The kind of the event from which rejections and uncertain answers count anew."""

_BAD = (State.REJECTED, State.UNCERTAIN)

_SENT = """
SELECT count(*) FROM arms JOIN markets USING (wallet, condition_id, mode)
LEFT JOIN sends USING (wallet, condition_id, mode)
WHERE wallet = :wallet AND mode = :mode
    AND coalesce(sent_at, armed_at) >= :day_start
    AND (sent_at IS NOT NULL OR state NOT IN ('armed', 'skipped')
        OR (state = 'armed' AND arms.run_id <> :run_id))
"""

_POSITIONS = f"""
SELECT state, close_at, payout,
    CASE WHEN state IN ('filled', 'settled') THEN (
        SELECT cost + coalesce(fee, 0) FROM fills WHERE id = {CONFIRMED}
    ) ELSE (
        SELECT max(maker_amount) FROM orders
        WHERE orders.wallet = markets.wallet AND orders.mode = markets.mode
            AND orders.condition_id = markets.condition_id
            AND order_id = coalesce(sends.order_id, order_id)
    ) END
FROM markets LEFT JOIN sends USING (wallet, condition_id, mode)
LEFT JOIN arms USING (wallet, condition_id, mode)
LEFT JOIN settlements USING (wallet, condition_id, mode)
WHERE wallet = :wallet AND mode = :mode
    AND (state IN ('sent', 'uncertain', 'matched', 'filled')
        OR (state = 'armed' AND arms.run_id <> :run_id)
        OR (state = 'settled' AND close_at >= :day_start))
"""  # noqa: S608  ours

_ANSWERS = """
SELECT json_extract(detail, '$.to') FROM events
WHERE wallet = :wallet AND mode = :mode AND kind = 'result'
    AND json_extract(detail, '$.from') = 'sent'
    AND id > coalesce((
        SELECT max(id) FROM events
        WHERE wallet = :wallet AND mode = :mode AND kind = :resumed
    ), 0)
ORDER BY id DESC LIMIT 1000
"""


def count(file: File, origin: Origin, run_id: int, day_start: int) -> Figures:
    """The figures of a wallet and mode; ``day_start`` in Unix ns.

    An order ARMED by an earlier run may have left, one of this run has not. Fees count
    from the fill on, where they are known.
    """
    values = {
        "wallet": origin.wallet,
        "mode": origin.mode,
        "run_id": run_id,
        "day_start": day_start,
        "resumed": RESUMED,
    }
    ((orders,),) = file.read(_SENT, **values)
    exposure = loss = 0
    for state, close_at, payout, stake in file.read(_POSITIONS, **values):
        exposure += stake if state != State.SETTLED else 0
        loss += stake - (payout or 0) if close_at >= day_start else 0
    streak = _streak([answer for (answer,) in file.read(_ANSWERS, **values)])
    return Figures(
        orders_today=orders,
        open_exposure=exposure,
        loss_today=loss,
        rejections=streak.count(State.REJECTED),
        uncertain=streak.count(State.UNCERTAIN),
    )


def _streak(answers: list[str]) -> list[str]:
    """The first answers to orders, newest first, back to the last good one."""
    good = (place for place, answer in enumerate(answers) if answer not in _BAD)
    return answers[: next(good, len(answers))]
