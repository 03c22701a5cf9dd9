"""Settings: one frozen object, each default stated once, built from a mapping of text.

The mapping is made by main.py: `.env`, then the environment, then the command line,
later ones winning. An empty value means the default.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

from lastsecond.errors import ConfigError
from lastsecond.market import Asset, Interval

_E = TypeVar("_E", bound=StrEnum)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Rule:
    """How one setting is read: ``parse`` raises ValueError for what is not allowed."""

    parse: Callable[[str], Any]
    allowed: str
    about: str
    secret: bool = False


def _number(low: str, high: str, about: str, places: int = 6) -> Rule:
    """A plain decimal between two bounds, both allowed, of at most ``places``."""
    plain = re.compile(rf"[0-9]{{1,9}}(\.[0-9]{{0,{places}}})?|\.[0-9]{{1,{places}}}")

    def parse(text: str) -> Decimal:
        if plain.fullmatch(text) is None:
            raise ValueError(text)
        value = Decimal(text)
        if not Decimal(low) <= value <= Decimal(high):
            raise ValueError(text)
        return value

    allowed = f"a number from {low} to {high}, at most {places} decimals"
    return Rule(parse, allowed, about)


def _seconds(low: str, high: str, about: str) -> Rule:
    rule = _number(low, high, about)
    return Rule(lambda text: float(rule.parse(text)), rule.allowed, about)


def _integer(choices: tuple[int, ...], about: str) -> Rule:
    allowed = {str(choice): choice for choice in choices}

    def parse(text: str) -> int:
        if text not in allowed:
            raise ValueError(text)
        return allowed[text]

    return Rule(parse, " or ".join(allowed), about)


def _several(kind: type[_E], about: str) -> Rule:
    def parse(text: str) -> tuple[_E, ...]:
        names = [name.strip().lower() for name in text.split(",")]
        return tuple(dict.fromkeys(kind(name) for name in names))

    return Rule(parse, "some of " + ",".join(kind), about)


def _pattern(regex: str, allowed: str, about: str, *, secret: bool = False) -> Rule:
    def parse(text: str) -> str:
        if re.fullmatch(regex, text) is None:
            raise ValueError(text)
        return text

    return Rule(parse, allowed, about, secret)


def _url(scheme: str, about: str) -> Rule:
    def parse(text: str) -> str:
        url = urlsplit(text)
        plain = url.scheme == scheme and url.hostname in _LOOPBACK
        if not (plain or (url.scheme == scheme + "s" and url.hostname)):
            raise ValueError(text)
        if url.port == 0 or re.search(r"[^!-~]|[?#@\\]", text):
            raise ValueError(text)
        return text.rstrip("/")

    return Rule(parse, f"a {scheme}s:// URL ({scheme}:// on this machine only)", about)


_TEXT = r"\S+"
_FOLDER = _pattern(r"[^\0]+", "the path of a folder", "")


def _folder(about: str) -> Rule:
    return Rule(_FOLDER.parse, _FOLDER.allowed, about)


def _setting(default: Any, rule: Rule) -> Any:  # the annotation beside it is the type
    return field(default=default, repr=not rule.secret, metadata={"rule": rule})


@dataclass(frozen=True)
class Settings:
    """What a person may set; the variable is the attribute in capitals.

    Money is pUSD, prices are dollars a share, times are seconds unless named otherwise.
    """

    private_key: str = _setting(
        "",
        _pattern(
            "(0x)?[0-9a-fA-F]{64}",
            "64 hex digits, 0x before them or not",
            "Key that signs orders. A dry run needs none.",
            secret=True,
        ),
    )
    polygon_chain_id: int = _setting(
        137, _integer((137,), "Chain of the exchange: Polygon.")
    )
    clob_api_key: str = _setting(
        "",
        _pattern(_TEXT, "text", "API key of the CLOB; live only.", secret=True),
    )
    clob_secret: str = _setting(
        "", _pattern(_TEXT, "text", "Secret of that API key.", secret=True)
    )
    clob_passphrase: str = _setting(
        "", _pattern(_TEXT, "text", "Passphrase of that API key.", secret=True)
    )
    signature_type: int = _setting(
        0,
        _integer(
            (0, 1, 2, 3),
            "Kind of account: 0 the key itself, 1 email or Google, 2 Safe, "
            "3 deposit wallet (new accounts since 2026-05).",
        ),
    )
    funder_address: str = _setting(
        "",
        _pattern(
            "0x[0-9a-fA-F]{40}",
            "0x and 40 hex digits",
            "Account that holds the money; empty means the key's own address.",
        ),
    )
    gamma_host: str = _setting(
        "https://gamma-api.polymarket.com", _url("http", "Where markets are found.")
    )
    clob_host: str = _setting(
        "https://clob.polymarket.com", _url("http", "Where books are read.")
    )
    clob_ws_url: str = _setting(
        "wss://ws-subscriptions-clob.polymarket.com/ws/market",
        _url("ws", "The market channel."),
    )
    trade_size: Decimal = _setting(
        Decimal(5),
        _number(
            "1",
            "10000",
            "pUSD spent on one order; 5 satisfies the $1 minimum and the disputed "
            "5-share one.",
            places=2,
        ),
    )
    max_price: Decimal = _setting(
        Decimal("0.99"), _number("0.01", "0.999", "The cap: no ask above it is bought.")
    )
    min_price: Decimal = _setting(
        Decimal("0.50"), _number("0", "0.99", "A favourite's ask must exceed it.")
    )
    trigger_seconds: float = _setting(
        1.0, _seconds("0.05", "60", "Seconds before the close at which to decide.")
    )
    poll_interval: float = _setting(
        90, _seconds("5", "3600", "Seconds between two searches for markets.")
    )
    trader_start_buffer: float = _setting(
        180, _seconds("10", "900", "Seconds before the close at which to watch it.")
    )
    min_time_to_start: float = _setting(
        30, _seconds("2", "600", "A market found with less left is skipped.")
    )
    max_minutes_ahead: float = _setting(
        20, _seconds("1", "60", "Minutes: markets that close later are left for later.")
    )
    assets: tuple[Asset, ...] = _setting(
        tuple(Asset), _several(Asset, "Which coins' markets.")
    )
    intervals: tuple[Interval, ...] = _setting(
        tuple(Interval), _several(Interval, "Which lengths of market.")
    )
    log_dir: str = _setting("log", _folder("Where finder.log and trades.log go."))
    data_dir: str = _setting("data", _folder("Where what must be kept goes."))

    def secrets(self) -> list[str]:
        """Every configured secret, for the logs to hide."""
        return [
            str(getattr(self, spec.name))
            for spec in fields(self)
            if rule_of(spec).secret and getattr(self, spec.name)
        ]


def rule_of(spec: Field[Any]) -> Rule:
    """The rule of one of Settings' fields."""
    rule: Rule = spec.metadata["rule"]
    return rule


def variables() -> dict[str, Field[Any]]:
    """Every variable that is read, with its field; the order is the documented one."""
    return {spec.name.upper(): spec for spec in fields(Settings)}


def default_text(spec: Field[Any]) -> str:
    """A default as a person would write it in `.env`."""
    if isinstance(spec.default, tuple):
        return ",".join(spec.default)
    return str(spec.default)


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
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            lines.append(f"{name} is not a setting{hint}")
    return lines


def _read(name: str, text: str, rule: Rule) -> Any:
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
    earliest = settings.trigger_seconds + 1
    for name in ("trader_start_buffer", "min_time_to_start"):
        if (value := getattr(settings, name)) < earliest:
            raise ConfigError(
                f"{name.upper()}: {value:g} is not at least {earliest:g}, "
                "a second more than TRIGGER_SECONDS"
            )
