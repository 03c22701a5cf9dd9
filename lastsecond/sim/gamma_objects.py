"""Gamma's event and market objects, field for field as production writes them.

Modelled on a recorded updown event (tests/data/SOURCES.md).
"""

import json
from datetime import UTC, datetime

from lastsecond import money
from lastsecond.market import NANOSECONDS, Interval, Outcome
from lastsecond.sim import frames, naming
from lastsecond.sim.frames import Json
from lastsecond.sim.ladder import plain
from lastsecond.sim.market import SimMarket

_DAY = 86_400
_HALF = money.MICRO // 2
_IMAGE = "https://polymarket-upload.s3.us-east-2.amazonaws.com/simulated.png"
_UNCHANGING: Json = {
    "image": _IMAGE,
    "icon": _IMAGE,
    "active": True,
    "new": False,
    "featured": False,
    "archived": False,
    "restricted": True,
    "negRisk": False,
    "cyom": False,
    "automaticallyActive": True,
    "pendingDeployment": False,
    "deploying": False,
    "requiresTranslation": False,
}
_UNCHANGING_MARKET: Json = {
    "version": "v1",
    "marketMakerAddress": "",
    "groupItemThreshold": "0",
    "orderMinSize": 5,
    "hasReviewedDates": True,
    "comboStatus": "disabled",
    "makerBaseFee": 1000,
    "takerBaseFee": 1000,
    "ready": False,
    "funded": False,
    "competitive": 1,
    "pagerDutyNotificationEnabled": False,
    "approved": True,
    "rewardsMinSize": 50,
    "rewardsMaxSpread": 4.5,
    "clearBookOnStart": False,
    "showGmpSeries": False,
    "showGmpOutcome": False,
    "manualActivation": False,
    "negRiskOther": False,
    "umaResolutionStatuses": "[]",
    "rfqEnabled": False,
    "holdingRewardsEnabled": False,
    "feesEnabled": True,
    "makerRebatesFeeShareBps": 10000,
    "feeType": "crypto_fees_v2",
    "feeSchedule": {
        "exponent": 1,
        "rate": 0.07,
        "takerOnly": True,
        "rebateRate": 0.2,
    },
}


def event_object(market: SimMarket, *, with_markets: bool = True) -> Json:
    """The event of one market; ``with_markets`` puts the market inside it."""
    window = market.window
    length = window.interval.value
    body: Json = {
        "id": naming.gamma_id("event", market.slug),
        "ticker": market.slug,
        "slug": market.slug,
        "title": market.title,
        **_UNCHANGING,
        **_dates(market),
        "closed": market.resolved is not None,
        "creationDate": naming.iso(window.start - _DAY),
        "startTime": naming.iso(window.start),
        "enableOrderBook": True,
        "commentCount": 0,
        "showAllOutcomes": True,
        "showMarketImages": True,
        "enableNegRisk": False,
        "negRiskAugmented": False,
        "seriesSlug": f"{window.asset}-up-or-down-{length}",
        "series": [_series(market)],
        "tags": [_tag("Up or Down"), _tag("Crypto Prices"), _tag(length.upper())],
        **_metadata(market),
    }
    if with_markets:
        body["markets"] = [market_object(market, with_events=False)]
    return body


def market_object(market: SimMarket, *, with_events: bool = True) -> Json:
    """The market; ``with_events`` names its event inside it."""
    body: Json = {
        "id": naming.gamma_id("market", market.slug),
        "question": market.title,
        "conditionId": market.condition_id,
        "slug": market.slug,
        **_UNCHANGING,
        **_UNCHANGING_MARKET,
        **_dates(market),
        **_prices(market),
        **_status(market),
        "questionID": naming.hexadecimal("question", market.slug),
        "outcomes": json.dumps([outcome.value for outcome in Outcome]),
        "clobTokenIds": json.dumps([market.token(outcome) for outcome in Outcome]),
        "cryptoMarketConfig": _config(market),
    }
    if with_events:
        body["events"] = [event_object(market, with_markets=False)]
    return _overridden(body, market.fields)


def _overridden(body: Json, fields: Json) -> Json:
    body |= fields
    return {name: value for name, value in body.items() if value is not ...}


def _dates(market: SimMarket) -> Json:
    window = market.window
    opened = naming.iso(window.start - _DAY)
    symbol = f"{window.asset}-usd-twap-60s-streams"
    source = f"https://data.chain.link/streams/{symbol}"
    return {
        "description": (
            f'This market will resolve to "Up" if the {window.asset.title} price at '
            "the end of the time range specified in the title is greater than or "
            "equal to the price at the beginning of that range. Otherwise, it will "
            'resolve to "Down".'
        ),
        "resolutionSource": source,
        "startDate": opened,
        "endDate": naming.iso(window.end),
        "createdAt": opened,
        "updatedAt": opened,
        **_closing(market),
    }


def _closing(market: SimMarket) -> Json:
    if market.resolved is None:
        return {}
    moment = datetime.fromtimestamp(market.closed_ns // NANOSECONDS, UTC)
    return {"closedTime": moment.strftime("%Y-%m-%d %H:%M:%S+00")}


def _status(market: SimMarket) -> Json:
    window, is_open = market.window, market.resolved is None
    opened = naming.iso(window.start - _DAY)
    status: Json = {
        "closed": not is_open,
        "acceptingOrders": is_open,
        "acceptingOrdersTimestamp": opened,
        "enableOrderBook": True,
        "eventStartTime": naming.iso(window.start),
        "endDateIso": naming.iso(window.end)[:10],
        "startDateIso": opened[:10],
        "orderPriceMinTickSize": float(money.decimal(market.tick)),
    }
    if not is_open:
        status |= {
            "umaResolutionStatus": "resolved",
            "automaticallyResolved": True,
            "resolvedBy": None,
        }
    return status


def _prices(market: SimMarket) -> Json:
    bid, ask = (money.micros(side) for side in frames.top(market.state(Outcome.UP)))
    up = (bid + ask) // 2 if (bid, ask) != (0, money.MICRO) else _HALF
    if market.resolved is not None:
        up = money.MICRO if market.resolved is Outcome.UP else 0
    return {
        "outcomePrices": json.dumps([plain(up), plain(money.MICRO - up)]),
        "bestBid": float(money.decimal(bid)),
        "bestAsk": float(money.decimal(ask)),
        "spread": float(money.decimal(ask - bid)) if ask > bid else 0,
        "liquidity": "1654.53",
        "liquidityNum": 1654.53,
        "liquidityClob": 1654.53,
    }


def _config(market: SimMarket) -> Json:
    asset, length = market.window.asset.value, market.window.interval.value
    return {
        "id": f"{asset}-{length}-twap-60",
        "asset": asset,
        "duration": length,
        "twapEnabled": True,
        "twapLookbackSeconds": 60,
    }


def _metadata(market: SimMarket) -> Json:
    known = {"priceToBeat": market.price_to_beat, "finalPrice": market.final_price}
    told = {name: price for name, price in known.items() if price is not None}
    return {"eventMetadata": told} if told else {}


_SERIES_IDS = {Interval.FIVE_MINUTES: "10684", Interval.FIFTEEN_MINUTES: "10192"}


def _series(market: SimMarket) -> Json:
    asset, length = market.window.asset, market.window.interval
    slug = f"{asset}-up-or-down-{length}"
    return {
        "id": _SERIES_IDS[length],
        "ticker": slug,
        "slug": slug,
        "title": f"{asset.upper()} Up or Down {length}",
        "seriesType": "single",
        "recurrence": "daily",
        "active": True,
        "closed": False,
        "archived": False,
    }


def _tag(label: str) -> Json:
    slug = label.lower().replace(" ", "-")
    return {"id": naming.gamma_id("tag", slug), "label": label, "slug": slug}
