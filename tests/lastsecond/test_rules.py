"""How settings are read: any text is a value that fits, or refused."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lastsecond import rules


class Fruit(StrEnum):
    APPLE = "apple"
    PEAR = "pear"


RULES = {
    "number": rules.number("0.5", "100", "a number"),
    "cents": rules.number("1", "100", "an amount", places=2),
    "seconds": rules.seconds("0.05", "60", "a time"),
    "integer": rules.integer((0, 1, 137), "a choice"),
    "count": rules.count(1, 100, "a count"),
    "several": rules.several(Fruit, "fruit"),
    "pattern": rules.pattern("0x[0-9a-f]{4}", "hex", "a form"),
    "url": rules.url("http", "a host"),
    "socket": rules.url("ws", "a channel"),
    "folder": rules.folder("a folder"),
    "credential": rules.credential("a secret"),
}

NUMBERS = st.from_regex(r"[-+]?[0-9]{0,12}\.?[0-9]{0,9}(e[0-9]{1,3})?", fullmatch=True)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "https", "ws", "wss", "HTTP", "ftp", ""]),
    st.sampled_from(["localhost", "127.0.0.1", "[::1]", "[::1", "a.test", "", "a@b"]),
    st.sampled_from(["", ":", ":0", ":1", ":65535", ":65536", ":x"]),
    st.text(alphabet="/abc?#@\\ \n\té", max_size=4),
)
TEXTS = st.text() | NUMBERS | URLS | st.text("apler ,", max_size=12)


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None)
@given(text=TEXTS)
@example(text="NaN")
@example(text="Infinity")
@example(text="٣")
@example(text="1_0")
@example(text="http://[::1")
@example(text="https://a:99999")
@example(text="https://a\n.test")
def test_any_text_is_a_value_or_refused(name: str, text: str) -> None:
    """Nothing but ValueError is raised, and what is taken fits the rule."""
    rule = RULES[name]
    try:
        value = rule.parse(text)
    except ValueError:
        return
    assert FITS[name](value)


def is_url(value: str, plain: str) -> bool:
    local = ("://localhost", "://127.0.0.1", "://[::1]")
    starts = (*(plain + host for host in local), f"{plain}s://")
    return value.lower().startswith(starts) and value == value.strip(" /")


FITS: dict[str, Callable[[Any], bool]] = {
    "number": lambda value: Decimal("0.5") <= value <= 100,
    "cents": lambda value: 1 <= value <= 100 and value == round(value, 2),
    "seconds": lambda value: 0.05 <= value <= 60,
    "integer": lambda value: value in {0, 1, 137},
    "count": lambda value: 1 <= value <= 100,
    "several": lambda value: {1, 2} >= {len(value)} and set(value) <= set(Fruit),
    "pattern": lambda value: len(value) == 6,
    "url": lambda value: is_url(value, "http"),
    "socket": lambda value: is_url(value, "ws"),
    "folder": bool,
    "credential": lambda value: len(value) >= 8 and value.isprintable(),
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", "0.5", Decimal("0.5")),
        ("number", ".75", Decimal("0.75")),
        ("number", "7.", Decimal(7)),
        ("number", "100.000000", Decimal(100)),
        ("cents", "1.23", Decimal("1.23")),
        ("seconds", "0.05", 0.05),
        ("integer", "137", 137),
        ("count", "007", 7),
        ("several", "pear", (Fruit.PEAR,)),
        ("several", " PEAR, apple,pear", (Fruit.PEAR, Fruit.APPLE)),
        ("pattern", "0x12ab", "0x12ab"),
        ("url", "https://a.test/", "https://a.test"),
        ("url", "http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("url", "http://[::1]:80/x/", "http://[::1]:80/x"),
        ("socket", "wss://a.test/ws/market", "wss://a.test/ws/market"),
        ("folder", "a folder/é", "a folder/é"),
        ("credential", "a+b/c=-_~!", "a+b/c=-_~!"),
    ],
)
def test_what_is_taken(name: str, text: str, value: object) -> None:
    """The value, in its own type."""
    found = RULES[name].parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("number", "0.49"),
        ("number", "100.000001"),
        ("number", "1e1"),
        ("number", "+1"),
        ("number", " 1"),
        ("number", "1\n"),
        ("number", "1,5"),
        ("number", "0.5000001"),
        ("cents", "1.234"),
        ("cents", "."),
        ("seconds", "nan"),
        ("integer", "01"),
        ("integer", "2"),
        ("count", "1.0"),
        ("count", "0"),
        ("several", ""),
        ("several", "plum"),
        ("several", "apple,"),
        ("pattern", "0x12ab\n"),
        ("url", "http://a.test"),
        ("url", "http://localhost.a.test"),
        ("url", "https://"),
        ("url", "https://a.test:0"),
        ("url", "https://u:p@a.test"),
        ("url", "https://a.test/?q"),
        ("url", "wss://a.test"),
        ("socket", "ws://a.test"),
        ("socket", "https://a.test"),
        ("folder", ""),
        ("folder", "a\0b"),
        ("credential", "short"),
        ("credential", "with a space"),
        ("credential", "with\nline-end"),
    ],
)
def test_what_is_refused(name: str, text: str) -> None:
    """Everything that a person may have meant in another way."""
    with pytest.raises(ValueError):  # noqa: PT011  the caller says what is allowed
        RULES[name].parse(text)


def test_a_rule_says_what_it_allows() -> None:
    """In words that a person can act on; only credentials are secret."""
    words = {name: rule.allowed for name, rule in RULES.items()}
    assert words["number"] == "a number from 0.5 to 100, at most 6 decimals"
    assert words["count"] == "a whole number from 1 to 100"
    assert words["integer"] == "0 or 1 or 137"
    assert words["several"] == "some of apple,pear"
    assert "ws://" in words["socket"]
    assert [name for name, rule in RULES.items() if rule.secret] == ["credential"]
    assert all(rule.about for rule in RULES.values())
