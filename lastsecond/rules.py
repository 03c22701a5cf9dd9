"""How settings are read: text to a typed value, or a word on what is allowed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

_E = TypeVar("_E", bound=StrEnum)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Rule:
    """How one setting is read: ``parse`` raises ValueError for what is not allowed."""

    parse: Callable[[str], Any]
    allowed: str
    about: str
    secret: bool = False


def number(low: str, high: str, about: str, places: int = 6) -> Rule:
    """A plain decimal between two bounds, both allowed, of at most ``places``."""
    fraction = rf"(\.[0-9]{{0,{places}}})?|\.[0-9]{{1,{places}}}" if places else ""
    plain = re.compile(rf"[0-9]{{1,9}}{fraction}")

    def parse(text: str) -> Decimal:
        if plain.fullmatch(text) is None:
            raise ValueError(text)
        value = Decimal(text)
        if not Decimal(low) <= value <= Decimal(high):
            raise ValueError(text)
        return value

    allowed = f"a number from {low} to {high}, at most {places} decimals"
    return Rule(parse, allowed, about)


def seconds(low: str, high: str, about: str) -> Rule:
    """A number of seconds, read as a float."""
    rule = number(low, high, about)
    return Rule(lambda text: float(rule.parse(text)), rule.allowed, about)


def integer(choices: tuple[int, ...], about: str) -> Rule:
    """One of some whole numbers."""
    allowed = {str(choice): choice for choice in choices}

    def parse(text: str) -> int:
        if text not in allowed:
            raise ValueError(text)
        return allowed[text]

    return Rule(parse, " or ".join(allowed), about)


def count(low: int, high: int, about: str) -> Rule:
    """A whole number."""
    rule = number(str(low), str(high), about, places=0)
    allowed = f"a whole number from {low} to {high}"
    return Rule(lambda text: int(rule.parse(text)), allowed, about)


def several(kind: type[_E], about: str) -> Rule:
    """Some of an enum's values, separated by commas."""

    def parse(text: str) -> tuple[_E, ...]:
        names = [name.strip().lower() for name in text.split(",")]
        return tuple(dict.fromkeys(kind(name) for name in names))

    return Rule(parse, "some of " + ",".join(kind), about)


def pattern(regex: str, allowed: str, about: str, *, secret: bool = False) -> Rule:
    """Text of a form."""

    def parse(text: str) -> str:
        if re.fullmatch(regex, text) is None:
            raise ValueError(text)
        return text

    return Rule(parse, allowed, about, secret)


def url(scheme: str, about: str) -> Rule:
    """A URL; the plain scheme only for loopback."""

    def parse(text: str) -> str:
        parts = urlsplit(text)
        plain = parts.scheme == scheme and parts.hostname in _LOOPBACK
        if not (plain or (parts.scheme == scheme + "s" and parts.hostname)):
            raise ValueError(text)
        if parts.port == 0 or re.search(r"[^!-~]|[?#@\\]", text):
            raise ValueError(text)
        return text.rstrip("/")

    return Rule(parse, f"a {scheme}s:// URL ({scheme}:// on this machine only)", about)


def folder(about: str) -> Rule:
    """The path of a folder."""
    return pattern(r"[^\0]+", "the path of a folder", about)


def credential(about: str) -> Rule:
    """A part of an API key: printable, and long enough to be hidden in logs."""
    return pattern(
        r"[\x21-\x7e]{8,}", "text of 8 characters or more", about, secret=True
    )
