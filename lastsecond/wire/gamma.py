"""Gamma's events as markets, each readable or refused with a reason.

Fields and their types: docs.polymarket.com and live answers of 2026-09-28
(docs/exchange.md). ``outcomes`` and ``clobTokenIds`` are strings that hold JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NoReturn

import msgspec

from lastsecond.market import ConditionId, Outcome, TokenId, Window
from lastsecond.wire import UNREADABLE, unreadable

JsonObject = dict[str, object]

_CONDITION_ID = re.compile(r"0x[0-9a-fA-F]{64}")
_TOKEN_ID = re.compile(r"[0-9]{1,78}")


class Refusal(StrEnum):
    """Why a market is not taken. The first four are found here, the rest by the finder.

    They are the words of logs and reports.
    """

    MALFORMED = "malformed"
    NO_TOKENS = "no_tokens"
    BAD_OUTCOMES = "bad_outcomes"
    NO_CONDITION = "no_condition"
    INACTIVE = "inactive"
    CLOSED = "closed"
    OTHER_ASSET = "other_asset"
    OTHER_INTERVAL = "other_interval"
    OTHER_KIND = "other_kind"
    WINDOW_MISMATCH = "window_mismatch"
    PAST = "past"
    TOO_FAR = "too_far"
    UNKNOWN_VERSION = "unknown_version"


@dataclass(frozen=True, slots=True)
class Refused:
    """A market that is not taken; ``detail`` says what was wrong with what."""

    slug: str
    reason: Refusal
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """An Up or Down market as Gamma lists it; nothing in it has been judged.

    ``start`` and ``end`` of its window are aware and in UTC. ``token_id_yes`` is Up's.
    ``event_open`` is what the event around it says: active, and not closed.
    """

    slug: str
    title: str
    condition_id: ConditionId
    start: datetime
    end: datetime
    token_id_yes: TokenId
    token_id_no: TokenId
    active: bool
    closed: bool
    version: str | None
    event_open: bool


class _Unfit(Exception):
    """Ends the reading of one market."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode_events(body: bytes) -> list[JsonObject]:
    """The events of an answer of /public-search or /events. Raises WireError.

    Elements that are no objects (Gamma sends null among them) are left out.
    """
    try:
        answer = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise unreadable("not JSON", body) from error
    if isinstance(answer, dict) and "error" not in answer:
        answer = answer.get("events")
        answer = [] if answer is None else answer
    if not isinstance(answer, list):
        raise unreadable("no events", body)
    return [event for event in answer if isinstance(event, dict)]


def markets(event: JsonObject) -> Iterator[Market | Refused]:
    """Each market of an event, in order; never raises, whatever the JSON holds.

    An event without a list of markets is refused under its own slug.
    """
    listed = event.get("markets")
    if not isinstance(listed, list):
        detail = f"markets: {_shown(listed)}"
        yield Refused(_slug({}, event), Refusal.MALFORMED, detail)
        return
    for fields in listed:
        if not isinstance(fields, dict):
            detail = f"market: {_shown(fields)}"
            yield Refused(_slug({}, event), Refusal.MALFORMED, detail)
            continue
        try:
            yield _market(fields, event)
        except _Unfit as unfit:
            yield Refused(_slug(fields, event), unfit.reason, unfit.detail)


def _market(fields: JsonObject, event: JsonObject) -> Market:
    slug = _slug(fields, event)
    if not slug:
        _refuse(Refusal.MALFORMED, "slug", fields.get("slug"))
    token_id_yes, token_id_no = _tokens(fields)
    return Market(
        slug=slug,
        title=_first_text(fields.get("question"), event.get("title"), slug),
        condition_id=_condition_id(fields),
        start=_start(fields, event, slug),
        end=_instant("endDate", fields.get("endDate")),
        token_id_yes=token_id_yes,
        token_id_no=token_id_no,
        active=_flag("active", fields, event),
        closed=_flag("closed", fields, event),
        version=_version(fields),
        event_open=event.get("active") is not False and event.get("closed") is not True,
    )


def _refuse(reason: Refusal, name: str, value: object) -> NoReturn:
    raise _Unfit(reason, f"{name}: {_shown(value)}")


def _shown(value: object) -> str:
    """A value for a line of a log: text itself, of anything else only its kind."""
    if value is None:
        return "missing"
    return ascii(value[:60]) if isinstance(value, str) else type(value).__name__


def _first_text(*candidates: object) -> str:
    return next((each for each in candidates if isinstance(each, str) and each), "")


def _slug(fields: JsonObject, event: JsonObject) -> str:
    """The market's slug; these events have one market, of the same slug."""
    return _first_text(fields.get("slug"), event.get("slug"))


def _condition_id(fields: JsonObject) -> ConditionId:
    value = fields.get("conditionId")
    if not isinstance(value, str) or not _CONDITION_ID.fullmatch(value):
        _refuse(Refusal.NO_CONDITION, "conditionId", value)
    return ConditionId(value)


def _tokens(fields: JsonObject) -> tuple[TokenId, TokenId]:
    """The tokens of Up and of Down, wherever in the arrays they stand."""
    outcomes = _array(fields.get("outcomes"))
    if len(outcomes) != 2 or any(each not in outcomes for each in Outcome):
        _refuse(Refusal.BAD_OUTCOMES, "outcomes", fields.get("outcomes"))
    tokens = _array(fields.get("clobTokenIds"))
    valid = {
        TokenId(each): None
        for each in tokens
        if isinstance(each, str) and _TOKEN_ID.fullmatch(each)
    }
    if len(tokens) != 2 or len(valid) != 2:
        _refuse(Refusal.NO_TOKENS, "clobTokenIds", fields.get("clobTokenIds"))
    first, second = valid
    return (first, second) if outcomes[0] == Outcome.UP else (second, first)


def _array(value: object) -> list[object]:
    """An array, or the one that a string holds; anything else is an empty one."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except UNREADABLE:
            return []
    return value if isinstance(value, list) else []


def _start(fields: JsonObject, event: JsonObject, slug: str) -> datetime:
    """When the window opens: told by the market, its event or, failing both, the slug.

    ``startDate`` is not it: that is when the market was created, a day before.
    """
    for told in (
        fields.get("eventStartTime"),
        event.get("startTime"),
        event.get("eventStartTime"),
    ):
        if told is not None:
            return _instant("eventStartTime", told)
    window = Window.from_slug(slug)
    if window is None:
        _refuse(Refusal.MALFORMED, "eventStartTime", None)
    return datetime.fromtimestamp(window.start, UTC)


def _instant(name: str, value: object) -> datetime:
    """An ISO 8601 time with its offset; a space may stand for the T."""
    try:
        instant = datetime.fromisoformat(value if isinstance(value, str) else "")
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except UNREADABLE:
        pass
    _refuse(Refusal.MALFORMED, name, value)


def _flag(name: str, fields: JsonObject, event: JsonObject) -> bool:
    """A market's flag, or its event's where the market has none."""
    value = fields.get(name)
    value = event.get(name) if value is None else value
    if not isinstance(value, bool):
        _refuse(Refusal.MALFORMED, name, value)
    return value


def _version(fields: JsonObject) -> str | None:
    value = fields.get("version")
    if value is not None and not isinstance(value, str):
        _refuse(Refusal.MALFORMED, "version", value)
    return value
