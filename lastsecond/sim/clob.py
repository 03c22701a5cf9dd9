"""The CLOB's public reads. Errors are worded as production words them, where known."""

import json
from collections.abc import Callable, Mapping

from lastsecond import money
from lastsecond.market import Outcome
from lastsecond.sim import frames, naming
from lastsecond.sim.calls import Call, Endpoint, refuse
from lastsecond.sim.frames import BookState, Json
from lastsecond.sim.ladder import plain
from lastsecond.sim.market import SimMarket

_NO_BOOK = "No orderbook exists for the requested token id"
_NO_MARKET = "market not found"
_DAY = 86_400
_TOKEN = frozenset({"token_id"})


class Clob:
    """Answers from the markets it was given; ``seconds`` reads the exchange's clock."""

    def __init__(
        self, markets: Mapping[str, SimMarket], seconds: Callable[[], int]
    ) -> None:
        self._markets = markets
        self._seconds = seconds

    def endpoints(self) -> list[Endpoint]:
        """Every path of this host."""
        return [
            Endpoint(path="/time", answer=lambda _: self._seconds()),
            Endpoint(path="/version", answer=lambda _: {"version": 2}),
            Endpoint(path="/ok", answer=lambda _: "OK"),
            Endpoint(path="/book", answer=self._book, required=_TOKEN),
            Endpoint(method="POST", path="/books", answer=self._books),
            Endpoint(path="/tick-size", answer=self._tick_size, required=_TOKEN),
            Endpoint(path="/neg-risk", answer=self._neg_risk, required=_TOKEN),
            Endpoint(path="/fee-rate", answer=self._fee_rate, required=_TOKEN),
            Endpoint(path="/midpoint", answer=self._midpoint, required=_TOKEN),
            Endpoint(path="/price", answer=self._price, required=_TOKEN | {"side"}),
            Endpoint(path="/markets/{id}", answer=self._market),
            Endpoint(path="/clob-markets/{id}", answer=self._short_market),
            Endpoint(path="/markets-by-token/{id}", answer=self._by_token),
        ]

    def book_of(self, token: str) -> BookState | None:
        """A token's book; None when there is no such token or it is settled."""
        for market in self._markets.values():
            for outcome in Outcome:
                if market.token(outcome) == token and market.resolved is None:
                    return market.state(outcome)
        return None

    def _state(self, token: str) -> BookState:
        state = self.book_of(token)
        if state is None:
            raise refuse(_NO_BOOK, 404)
        return state

    def _book(self, call: Call) -> Json:
        return frames.rest_book(self._state(call.query["token_id"]))

    def _books(self, call: Call) -> list[Json]:
        try:
            tokens = [row["token_id"] for row in json.loads(call.body)]
        except (ValueError, TypeError, KeyError):
            raise refuse("Invalid payload") from None
        states = [self.book_of(token) for token in tokens]
        return [frames.rest_book(state) for state in states if state]

    def _tick_size(self, call: Call) -> Json:
        tick = self._owner(call.query["token_id"]).tick
        return {"minimum_tick_size": float(money.decimal(tick))}

    def _neg_risk(self, call: Call) -> Json:
        self._owner(call.query["token_id"])
        return {"neg_risk": False}

    def _fee_rate(self, call: Call) -> Json:
        self._owner(call.query["token_id"])
        return {"base_fee": 1000}

    def _midpoint(self, call: Call) -> Json:
        bid, ask = frames.top(self._state(call.query["token_id"]))
        return {"mid": plain((money.micros(bid) + money.micros(ask)) // 2)}

    def _price(self, call: Call) -> Json:
        """BUY answers the best bid and SELL the best ask (live, 2026-09-28)."""
        side = call.query["side"]
        if side not in {"BUY", "SELL"}:
            raise refuse("Invalid side")
        bid, ask = frames.top(self._state(call.query["token_id"]))
        return {"price": bid if side == "BUY" else ask}

    def _owner(self, token: str) -> SimMarket:
        for market in self._markets.values():
            if token in market.tokens.values():
                return market
        raise refuse(_NO_MARKET, 404)

    def _by_condition(self, call: Call) -> SimMarket:
        for market in self._markets.values():
            if market.condition_id == call.path["id"]:
                return market
        raise refuse(_NO_MARKET, 404)

    def _by_token(self, call: Call) -> Json:
        market = self._owner(call.path["id"])
        return {
            "condition_id": market.condition_id,
            "primary_token_id": market.token(Outcome.UP),
            "secondary_token_id": market.token(Outcome.DOWN),
        }

    def _short_market(self, call: Call) -> Json:
        market = self._by_condition(call)
        return {
            "gst": None,
            "r": None,
            "t": [{"t": market.token(side), "o": side.value} for side in Outcome],
            "c": market.condition_id,
            "mos": 5,
            "mts": float(money.decimal(market.tick)),
            "mbf": 1000,
            "tbf": 1000,
            "rfqe": False,
            "itode": True,
            "ibce": False,
            "fd": {"r": 0.07, "e": 1, "to": True},
            "oas": 0,
            "cbos": False,
            "ao": market.resolved is None,
            "aot": naming.iso(market.window.start - _DAY),
        }

    def _market(self, call: Call) -> Json:
        market = self._by_condition(call)
        is_open = market.resolved is None
        return {
            "enable_order_book": is_open,
            "active": True,
            "closed": not is_open,
            "archived": False,
            "accepting_orders": is_open,
            "accepting_order_timestamp": naming.iso(market.window.start - _DAY),
            "minimum_order_size": 5,
            "minimum_tick_size": float(money.decimal(market.tick)),
            "condition_id": market.condition_id,
            "question_id": naming.hexadecimal("question", market.slug),
            "question": market.title,
            "market_slug": market.slug,
            "end_date_iso": naming.iso(market.window.end),
            "game_start_time": None,
            "seconds_delay": 0,
            "fpmm": "",
            "maker_base_fee": 1000,
            "taker_base_fee": 1000,
            "notifications_enabled": False,
            "neg_risk": False,
            "neg_risk_market_id": "",
            "neg_risk_request_id": "",
            "is_50_50_outcome": False,
            "tokens": [_token(market, outcome) for outcome in Outcome],
            "tags": ["Up or Down", "Crypto Prices"],
        }


def _token(market: SimMarket, outcome: Outcome) -> Json:
    if market.resolved is None:
        bid, ask = frames.top(market.state(outcome))
        price = (money.micros(bid) + money.micros(ask)) // 2
    else:
        price = money.MICRO if outcome is market.resolved else 0
    return {
        "token_id": market.token(outcome),
        "outcome": outcome.value,
        "price": float(money.decimal(price)),
        "winner": outcome is market.resolved,
    }
