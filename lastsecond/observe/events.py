"""A line of the log as the board shows it: short enough for what matters in it."""

import re

_LINE = re.compile(
    r"(?P<time>\d\d:\d\d:\d\d)\.\d{3}Z (?P<level>[A-Z]+) \S+ (?P<event>.*)"
)
_SLUG = re.compile(r"\b([a-z]+)-updown-(\d+[a-z])-\d*(\d{3})\b")
_FIGURE = re.compile(r' (?P<name>[a-z_]+)=(?:"[^"]*"|\S+)')
_NEVER = ("condition_id", "mode")
"""What the board says elsewhere, or nobody reads there."""

_EXPENDABLE = (
    *("title", "token", "origin", "source", "book_age_ms", "t_minus", "closes"),
    *("limit", "size", "fee", "payout", "shares", "cost", "ask_down", "ask_up"),
)
"""What a long line does without, in this order, until it fits."""


def shortened(line: str) -> str:
    """A terminal's log line without its logger, its milliseconds and an INFO.

    A market's slug keeps its coin, its length and its last three digits.
    """
    if found := _LINE.fullmatch(line):
        level = "" if found["level"] == "INFO" else f"{found['level']} "
        line = f"{found['time']} {level}{found['event']}"
    for name in _NEVER:
        line = _without(line, name)
    return _SLUG.sub(r"\1-\2-…\3", line)


def fitted(line: str, width: int) -> str:
    """The line without as many of its lesser figures as make it fit into ``width``."""
    for name in _EXPENDABLE:
        if len(line) <= width:
            break
        line = _without(line, name)
    return line


def _without(line: str, name: str) -> str:
    return _FIGURE.sub(lambda it: "" if it["name"] == name else it[0], line)
