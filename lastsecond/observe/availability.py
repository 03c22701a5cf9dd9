"""In what share of markets something could have been bought, by seconds to the close.

Measured in every watched market, bought or not: this comes before any profit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lastsecond.history import OFFSETS_MS, MarketRecord, Sample
from lastsecond.market import MILLISECOND, Outcome
from lastsecond.money import MICRO
from lastsecond.observe import statistics
from lastsecond.observe.statistics import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """One moment, ms from the close; prices are micros.

    Only samples whose books were to be believed are in the rates; ``faulty`` counts
    the others, ``unmeasured`` the markets that were watched then and have no sample;
    None where this version does not measure at that moment. ``won`` and
    ``won_when_buyable`` are of markets whose favourite and result are known, voids left
    out.
    """

    offset_ms: int
    buyable: Rate
    """TRADE_SIZE could be spent on the favourite at or under MAX_PRICE."""
    faulty: int
    unmeasured: int | None
    median_ask: int | None
    """Of the favourite, where buyable."""
    won: Rate
    """The favourite won."""
    won_when_buyable: Rate


def availability(markets: Sequence[MarketRecord]) -> tuple[Availability, ...]:
    """Each moment of OFFSETS_MS, in order, and any other one that was measured."""
    measured = {s.offset_ms for market in markets for s in samples_of(market)}
    offsets = sorted(measured.union(OFFSETS_MS))
    return tuple(_at(offset, markets) for offset in offsets)


def samples_of(market: MarketRecord) -> tuple[Sample, ...]:
    """What was measured of a market, () if nothing."""
    return market.observation.samples if market.observation else ()


def _at(offset_ms: int, markets: Sequence[MarketRecord]) -> Availability:
    taken = [
        (sample, market.paid_up)
        for market in markets
        for sample in samples_of(market)
        if sample.offset_ms == offset_ms
    ]
    believed = [(sample, paid_up) for sample, paid_up in taken if not sample.fault]
    buyable = [(sample, paid_up) for sample, paid_up in believed if sample.fillable]
    asks = [sample.ask for sample, _ in buyable if sample.ask is not None]
    return Availability(
        offset_ms=offset_ms,
        buyable=Rate(len(buyable), len(believed)),
        faulty=len(taken) - len(believed),
        unmeasured=_unmeasured(offset_ms, markets),
        median_ask=statistics.median(asks),
        won=_won(believed),
        won_when_buyable=_won(buyable),
    )


def _unmeasured(offset_ms: int, markets: Sequence[MarketRecord]) -> int | None:
    """Markets watched at that moment without a sample: this machine stalled then."""
    if offset_ms not in OFFSETS_MS:
        return None
    after = offset_ms * MILLISECOND
    return sum(
        seen.watched_from <= market.close_at + after <= seen.watched_until
        and offset_ms not in {sample.offset_ms for sample in seen.samples}
        for market in markets
        if (seen := market.observation)
    )


def _won(samples: Sequence[tuple[Sample, int | None]]) -> Rate:
    winners = {MICRO: Outcome.UP, 0: Outcome.DOWN}
    told = [
        sample.favourite is winners[paid_up]
        for sample, paid_up in samples
        if sample.favourite is not None and paid_up in winners
    ]
    return Rate(sum(told), len(told))


def at_trigger(
    moments: Sequence[Availability], trigger_seconds: float | None
) -> Availability | None:
    """The moment nearest to the trigger: T-1 s by default; None if there is none."""
    wanted = -1000 * (1.0 if trigger_seconds is None else trigger_seconds)
    return min(
        (moment for moment in moments if moment.offset_ms < 0),
        key=lambda moment: abs(moment.offset_ms - wanted),
        default=None,
    )
