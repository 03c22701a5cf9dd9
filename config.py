"""Settings: one frozen object, each default stated once, built from a mapping of text.

The mapping is made by main.py: `.env`, then the environment, then the command line,
later ones winning. An empty value means the default.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

from lastsecond import money, rules
from lastsecond.errors import ConfigError
from lastsecond.limits import Limits
from lastsecond.market import NANOSECONDS, Asset, Interval
from lastsecond.terms import Hosts, Key, Paper, Terms

_LONGEST_POLL = 30

FILL_MODEL = 2
"""Of how paper orders are filled; 1 took the asks seen at the decision."""

DECIDING = (
    *("GAMMA_HOST", "CLOB_HOST", "CLOB_WS_URL", "ASSETS", "INTERVALS"),
    *("TRADE_SIZE", "MAX_PRICE", "MIN_PRICE", "TRIGGER_SECONDS", "ARM_SECONDS"),
    *("MIN_TIME_TO_START", "MAX_CLOCK_OFFSET", "MAX_LOOP_LAG"),
    *("ONE_WAY", "TAKER_HOLD"),
)
"""The settings whose results are never put into one figure with others'."""


def _setting(
    default: Any, rule: rules.Rule
) -> Any:  # the annotation beside it is the type
    return field(default=default, repr=not rule.secret, metadata={"rule": rule})


@dataclass(frozen=True)
class Settings:
    """What a person may set; the variable is the attribute in capitals.

    Money is pUSD, prices are dollars a share, times are seconds unless named otherwise.
    """

    private_key: str = _setting(
        "",
        rules.pattern(
            "(0x)?[0-9a-fA-F]{64}",
            "64 hex digits, 0x before them or not",
            "Key that signs orders. A dry run needs none.",
            secret=True,
        ),
    )
    polygon_chain_id: int = _setting(
        137, rules.integer((137,), "Chain of the exchange: Polygon.")
    )
    clob_api_key: str = _setting(
        "",
        rules.credential(
            "API key of the CLOB. All three or none: without them, they are derived."
        ),
    )
    clob_secret: str = _setting(
        "",
        rules.credential("Secret of that API key."),
    )
    clob_passphrase: str = _setting(
        "",
        rules.credential("Passphrase of that API key."),
    )
    signature_type: int = _setting(
        0,
        rules.integer(
            (0, 1, 2, 3),
            "Kind of account: 0 the key itself, 1 email or Google, 2 Safe, "
            "3 deposit wallet (new accounts since 2026-05).",
        ),
    )
    funder_address: str = _setting(
        "",
        rules.pattern(
            "0x[0-9a-fA-F]{40}",
            "0x and 40 hex digits",
            "Account that holds the money; empty means the key's own address.",
        ),
    )
    gamma_host: str = _setting(
        "https://gamma-api.polymarket.com",
        rules.url("http", "Where markets are found."),
    )
    clob_host: str = _setting(
        "https://clob.polymarket.com",
        rules.url("http", "Where books are read and orders go."),
    )
    geoblock_url: str = _setting(
        "https://polymarket.com/api/geoblock",
        rules.url("http", "Where check asks whether this country may trade."),
    )
    clob_ws_url: str = _setting(
        "wss://ws-subscriptions-clob.polymarket.com/ws/market",
        rules.url("ws", "The market channel."),
    )
    trade_size: Decimal = _setting(
        Decimal(5),
        rules.number(
            "1",
            "10000",
            "pUSD spent on one order; 5 satisfies the $1 minimum and the disputed "
            "5-share one.",
            places=2,
        ),
    )
    max_price: Decimal = _setting(
        Decimal("0.99"),
        rules.number("0.01", "0.999", "The cap: no ask above it is bought."),
    )
    min_price: Decimal = _setting(
        Decimal("0.50"), rules.number("0", "0.99", "A favourite's ask must exceed it.")
    )
    trigger_seconds: float = _setting(
        1.0, rules.seconds("0.05", "60", "Seconds before the close at which to decide.")
    )
    poll_interval: float = _setting(
        90, rules.seconds("5", "3600", "Seconds between two searches for markets.")
    )
    trader_start_buffer: float = _setting(
        180,
        rules.seconds("10", "900", "Seconds before the close at which to watch it."),
    )
    min_time_to_start: float = _setting(
        30, rules.seconds("2", "600", "A market found with less left is skipped.")
    )
    max_minutes_ahead: float = _setting(
        20,
        rules.seconds(
            "1", "60", "Minutes: markets that close later are left for later."
        ),
    )
    watch_after: float = _setting(
        30,
        rules.seconds(
            "0", "120", "Seconds after the close for which it is still measured."
        ),
    )
    arm_seconds: float = _setting(
        10,
        rules.seconds(
            "2", "60", "Seconds before the trigger at which orders are signed."
        ),
    )
    max_order: Decimal = _setting(
        Decimal(25),
        rules.number("1", "10000", "pUSD: TRADE_SIZE may not exceed it."),
    )
    max_daily_loss: Decimal = _setting(
        Decimal(50),
        rules.number(
            "1", "100000", "Live: pUSD that a UTC day may cost; reaching it halts."
        ),
    )
    max_open_exposure: Decimal = _setting(
        Decimal(100),
        rules.number(
            "1", "100000", "Live: pUSD in positions not paid out; reaching it halts."
        ),
    )
    max_orders_per_day: int = _setting(
        100, rules.count(1, 10_000, "Live: orders in a UTC day; reaching it halts.")
    )
    max_rejections: int = _setting(
        3, rules.count(1, 100, "Live: refused orders in a row; reaching it halts.")
    )
    max_uncertain: int = _setting(
        2, rules.count(1, 100, "Live: uncertain orders in a row; reaching it halts.")
    )
    max_clock_offset: float = _setting(
        5,
        rules.seconds(
            "0.1",
            "60",
            "Seconds that this machine's clock may be off; beyond them, no order.",
        ),
    )
    max_loop_lag: float = _setting(
        0.25,
        rules.seconds(
            "0.005",
            "1",
            "Seconds that this program may run late; beyond them, no order.",
        ),
    )
    paper_balance: Decimal = _setting(
        Decimal(1000),
        rules.number("1", "1000000", "Paper: pUSD to begin with; it can run out."),
    )
    one_way: float = _setting(
        0.1,
        rules.seconds(
            "0",
            "5",
            "Paper: seconds from here to the exchange, until that is measured.",
        ),
    )
    taker_hold: float = _setting(
        0.15,
        rules.seconds(
            "0",
            "5",
            "Paper: seconds that the exchange holds back takers of such markets.",
        ),
    )
    settle_timeout: float = _setting(
        300,
        rules.seconds(
            "0", "3600", "With --once: seconds to wait for results of what was bought."
        ),
    )
    assets: tuple[Asset, ...] = _setting(
        tuple(Asset), rules.several(Asset, "Which coins' markets.")
    )
    intervals: tuple[Interval, ...] = _setting(
        tuple(Interval), rules.several(Interval, "Which lengths of market.")
    )
    log_dir: str = _setting("log", rules.folder("Where finder.log and trades.log go."))
    data_dir: str = _setting(
        "data", rules.folder("Where the ledger, its locks and HALT are kept.")
    )

    def public(self) -> dict[str, str]:
        """Every setting but the secrets, by its variable, as text."""
        return {
            name: _text(getattr(self, spec.name))
            for name, spec in variables().items()
            if not rule_of(spec).secret
        }

    def fingerprint(self) -> str:
        """Twelve hex digits that differ where a setting that decides a trade does."""
        values = {name: getattr(self, name.lower()) for name in DECIDING}
        known = [f"FILL_MODEL={FILL_MODEL}"]
        known += [f"{name}={_canonical(value)}" for name, value in values.items()]
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]

    def terms(self) -> Terms:
        """The settings as a world takes them: units, no text."""
        return Terms(
            hosts=Hosts(
                gamma=self.gamma_host,
                clob=self.clob_host,
                clob_ws=self.clob_ws_url,
                geoblock=self.geoblock_url,
            ),
            key=Key(
                private_key=self.private_key,
                chain_id=self.polygon_chain_id,
                signature_type=self.signature_type,
                funder=self.funder_address,
                api=(
                    self.clob_api_key,
                    self.clob_secret,
                    self.clob_passphrase,
                ),
            ),
            limits=Limits(
                max_order=money.from_decimal(self.max_order),
                max_daily_loss=money.from_decimal(self.max_daily_loss),
                max_open_exposure=money.from_decimal(self.max_open_exposure),
                max_orders_per_day=self.max_orders_per_day,
                max_rejections=self.max_rejections,
                max_uncertain=self.max_uncertain,
            ),
            paper=Paper(
                one_way=round(self.one_way * NANOSECONDS),
                hold=round(self.taker_hold * NANOSECONDS),
                balance=money.from_decimal(self.paper_balance),
            ),
            spend=money.from_decimal(self.trade_size),
            trigger=round(self.trigger_seconds * NANOSECONDS),
            clock_offset=round(self.max_clock_offset * NANOSECONDS),
            loop_lag=round(self.max_loop_lag * NANOSECONDS),
            folder=PurePath(self.data_dir),
            fingerprint=self.fingerprint(),
            settings=self.public(),
        )

    def secrets(self) -> list[str]:
        """Every configured secret, for the logs to hide."""
        return [
            str(getattr(self, spec.name))
            for spec in fields(self)
            if rule_of(spec).secret and getattr(self, spec.name)
        ]


def rule_of(spec: Field[Any]) -> rules.Rule:
    """The rule of one of Settings' fields."""
    rule: rules.Rule = spec.metadata["rule"]
    return rule


def variables() -> dict[str, Field[Any]]:
    """Every variable that is read, with its field; the order is the documented one."""
    return {spec.name.upper(): spec for spec in fields(Settings)}


def holds_secret(mapping: Mapping[str, str | None]) -> bool:
    """Whether any secret has a value there."""
    return any(
        mapping.get(name) for name, spec in variables().items() if rule_of(spec).secret
    )


def default_text(spec: Field[Any]) -> str:
    """A default as a person would write it in `.env`."""
    return _text(spec.default)


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _canonical(value: Any) -> str:
    """A value as text: equal values alike, however they were given."""
    if isinstance(value, tuple):
        return ",".join(sorted(value))
    if isinstance(value, int | float | Decimal):
        return f"{Decimal(str(value)).normalize():f}"
    return str(value)


def load(mapping: Mapping[str, str | None]) -> Settings:
    """Settings from text; names that are not variables are ignored.

    Raises ConfigError with one line that names the variable, its value (never a
    secret's) and what is allowed.
    """
    known = variables()
    values = {
        spec.name: _read(name, text, rule_of(spec))
        for name, spec in known.items()
        if (text := (mapping.get(name) or "").strip())
    }
    settings = Settings(**values)
    _agree(settings)
    return settings


def strangers(names: list[str]) -> list[str]:
    """One line for each name that is no variable, with the nearest one."""
    known = list(variables())
    lines = []
    for name in names:
        if name not in known:
            near = get_close_matches(name.upper(), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            lines.append(f"{name} is not a setting{hint}")
    return lines


def _read(name: str, text: str, rule: rules.Rule) -> Any:
    try:
        return rule.parse(text)
    except ValueError:
        shown = "the value given" if rule.secret else repr(text)
        raise ConfigError(f"{name}: {shown} is not {rule.allowed}") from None


def _agree(settings: Settings) -> None:
    """Refuse settings that are fine alone and wrong together."""
    if settings.min_price >= settings.max_price:
        raise ConfigError(
            f"MIN_PRICE: {settings.min_price} is not below "
            f"MAX_PRICE, which is {settings.max_price}"
        )
    if settings.trade_size > settings.max_order:
        raise ConfigError(
            f"TRADE_SIZE: {settings.trade_size} is not at most "
            f"MAX_ORDER, which is {settings.max_order}"
        )
    seen = settings.max_minutes_ahead * 60
    needed = settings.poll_interval + settings.min_time_to_start + _LONGEST_POLL
    if seen < needed:
        raise ConfigError(
            f"MAX_MINUTES_AHEAD: {settings.max_minutes_ahead:g} is not at least "
            f"{needed / 60:g}: POLL_INTERVAL and MIN_TIME_TO_START together, and the "
            f"{_LONGEST_POLL} s that a poll may take, would lose markets"
        )
    earliest = settings.trigger_seconds + 1
    for name in ("trader_start_buffer", "min_time_to_start"):
        if (value := getattr(settings, name)) < earliest:
            raise ConfigError(
                f"{name.upper()}: {value:g} is not at least {earliest:g}, "
                "a second more than TRIGGER_SECONDS"
            )
