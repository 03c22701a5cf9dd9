"""What must hold before real orders are sent: one finding a line, each with its cure.

Asks and measures; never posts an order.
"""

import statistics
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from lastsecond import money
from lastsecond.errors import LastSecondError, SourceError
from lastsecond.line import Line
from lastsecond.market import MILLISECOND, NANOSECONDS
from lastsecond.ports import Clock, Guard, JsonSource, MarketStream
from lastsecond.wire import account as wire

_BUDGET = 5.0
_CLOCK_PATIENCE = 20
_COLD, _WARM = 5, 20
"""Connections that are opened for measuring, and requests on the last of them."""

_HIGHEST_FEE_PERMILLE = 35
"""Of what a buy at 0.50 spends; 0.07 x (1 - price), on top (docs/exchange.md)."""

Signing = Callable[[str, str], Mapping[str, str]]
"""(method, path) to the headers that authorise a request."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``words`` say what is so, or what to do."""

    name: str
    ok: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is checked: an account on an exchange, as this machine reaches it."""

    account: str
    signature_type: int
    sign: Signing
    spend: int
    order_version: int
    source: JsonSource
    clock: Clock
    clock_fault: Callable[[], Guard | None]
    clock_words: Callable[[], str]
    stream: MarketStream
    clob: str
    geoblock: str
    trigger: int
    """How long before a close the order is sent, ns."""
    hold: int
    """How long the exchange keeps takers back, ns."""
    halted: str | None


async def findings(subject: Subject) -> AsyncIterator[Finding]:
    """Every finding as it is made; a check that fails does not stop the rest."""
    checks = (
        ("halt", _halt),
        ("account", _account),
        ("order version", _version),
        ("API key", _orders),
        ("balance", _balance),
        ("country", _country),
        ("market channel", _channel),
        ("round trip", _round_trip),
        ("clock", _clock),
    )
    for name, check in checks:
        try:
            ok, words = await check(subject)
        except LastSecondError as error:
            ok, words = False, f"{error}: check the network and the hosts' settings"
        yield Finding(name, ok, words)


async def report_no_account(reason: str) -> bool:
    """Print the one finding there is without an account: never all well."""
    print(f"TODO {'account':<15} {reason}", flush=True)
    return False


async def report(subject: Subject) -> bool:
    """Print every finding, a line each; whether all is well."""
    well = True
    async for finding in findings(subject):
        well &= finding.ok
        mark = "ok  " if finding.ok else "TODO"
        print(f"{mark} {finding.name:<15} {finding.words}", flush=True)
    return well


async def _halt(subject: Subject) -> tuple[bool, str]:
    if subject.halted is None:
        return True, "not halted"
    return False, f"halted: {subject.halted}; `python main.py resume` ends it"


async def _account(subject: Subject) -> tuple[bool, str]:
    return True, f"{subject.account}, signature type {subject.signature_type}"


async def _version(subject: Subject) -> tuple[bool, str]:
    said = wire.decode_version(await _get(subject, "/version"))
    if said == subject.order_version:
        return True, f"the exchange takes version {said}, which this program signs"
    return False, (
        f"the exchange takes version {said}, this program signs "
        f"{subject.order_version}: update it"
    )


async def _orders(subject: Subject) -> tuple[bool, str]:
    try:
        resting = wire.decode_open_orders(
            await _get(subject, "/data/orders", signed=True)
        )
    except SourceError as error:
        if error.status != 401:
            raise
        return False, (
            "not accepted: clear CLOB_API_KEY, CLOB_SECRET and CLOB_PASSPHRASE to have "
            "them derived"
        )
    if resting:
        return False, f"accepted, but {resting} orders rest: cancel them on the site"
    return True, "accepted, no open orders"


async def _balance(subject: Subject) -> tuple[bool, str]:
    found = wire.decode_balance(
        await _get(
            subject,
            "/balance-allowance",
            [
                ("asset_type", "COLLATERAL"),
                ("signature_type", str(subject.signature_type)),
            ],
            signed=True,
        )
    )
    words = f"{money.text(found.balance)} pUSD"
    due = subject.spend + subject.spend * _HIGHEST_FEE_PERMILLE // 1000
    if found.balance < due:
        return False, (
            f"{words}, an order takes up to {money.text(due)} with its fee: fund the "
            "account, or check SIGNATURE_TYPE and FUNDER_ADDRESS"
        )
    if found.allowance < due:
        return False, f"{words}, but the exchange may not take it: approve it once"
    return True, words


async def _country(subject: Subject) -> tuple[bool, str]:
    body = await subject.source.get(subject.geoblock, budget=_BUDGET)
    blocked, country = wire.decode_geoblock(body)
    where = country or "this country"
    if blocked:
        return False, f"the exchange does not trade with {where}: run a dry run only"
    return True, f"{where} may trade"


async def _channel(subject: Subject) -> tuple[bool, str]:
    try:
        await subject.stream.open()
    finally:
        await subject.stream.close()
    return True, "reached"


async def _round_trip(subject: Subject) -> tuple[bool, str]:
    """The way that orders take: on a new connection, and on one that is open."""
    cold: list[int] = []
    warm: list[int] = []
    for last in (*(False for _ in range(_COLD - 1)), True):
        line = Line(subject.clob)
        try:
            cold.append(await _timed(subject, line))
            if last:
                warm = [await _timed(subject, line) for _ in range(_WARM)]
        finally:
            line.close()
    arrives = subject.trigger - statistics.median(warm) / 2
    return True, (
        f"warm {_spread(warm)}, cold {_spread(cold)}: an order sent at "
        f"{_before_close(subject.trigger)} arrives at {_before_close(arrives)} and, "
        f"held {subject.hold / MILLISECOND:.0f} ms, is matched at "
        f"{_before_close(arrives - subject.hold)}"
    )


async def _timed(subject: Subject, line: Line) -> int:
    """One request there and back, ns. Raises SourceError for another answer than OK."""
    begun = subject.clock.monotonic()
    answer = await line.warm("/time")
    if answer.status != 200:
        raise SourceError(f"/time answers HTTP {answer.status}")
    return subject.clock.monotonic() - begun


def _spread(times: Sequence[int]) -> str:
    """The median and the ninth decile of times in ns."""
    ordered = sorted(times)
    ninth = ordered[min(len(ordered) * 9 // 10, len(ordered) - 1)]
    return f"{statistics.median(ordered) / 1e6:.1f} ms (90 %: {ninth / 1e6:.1f})"


def _before_close(left: float) -> str:
    """A moment ``left`` ns before the close, or after it."""
    return f"T{'-' if left >= 0 else '+'}{abs(left) / NANOSECONDS:.3f} s"


async def _clock(subject: Subject) -> tuple[bool, str]:
    for _ in range(_CLOCK_PATIENCE):
        if subject.clock_fault() is not Guard.CLOCK_UNKNOWN:
            break
        await subject.clock.sleep(1)
    fault = subject.clock_fault()
    if fault is Guard.CLOCK_UNKNOWN:
        return False, "the exchange's time could not be learnt from /time"
    if fault is Guard.CLOCK_OFF:
        return False, f"{subject.clock_words()}: set it by NTP"
    return True, subject.clock_words()


async def _get(
    subject: Subject,
    path: str,
    params: Sequence[tuple[str, str]] = (),
    *,
    signed: bool = False,
) -> bytes:
    return await subject.source.get(
        subject.clob + path,
        params,
        budget=_BUDGET,
        headers=subject.sign("GET", path) if signed else None,
    )


def offset_words(offset: int, uncertainty: int | None) -> str:
    """The machine's clock against the exchange's, for a person; ns in."""
    if uncertainty is None:
        return "unknown"
    seconds = abs(offset) / NANOSECONDS
    where = "behind" if offset > 0 else "ahead of"
    return (
        f"{seconds:.3f} s {where} the exchange's, give or take "
        f"{uncertainty / NANOSECONDS:.3f} s"
    )
