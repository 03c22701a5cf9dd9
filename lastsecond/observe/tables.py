"""The report as plain tables, for a terminal or a pipe; each title says whose it is."""

import io
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich.box import Box
from rich.console import Console
from rich.console import Group as Section
from rich.table import Table
from rich.text import Text

from lastsecond.history import MarketRecord
from lastsecond.market import MILLISECOND
from lastsecond.observe import words
from lastsecond.observe.funnel import place
from lastsecond.observe.health import EDGES_MS, Divergence, Quantiles
from lastsecond.observe.profit import Standing, names, result_of
from lastsecond.observe.report import Group, Report
from lastsecond.observe.verdict import Word

LATEST = 20
"""Markets listed of a group; all of them are in --json, --csv and --html."""

WIDTH = 80

_PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_STYLES = {Word.GO: "bold green", Word.NO_GO: "bold red"}


def as_text(report: Report, *, width: int = WIDTH, styled: bool = False) -> str:
    """All groups; without ``styled`` not a single control code, nor a wide line."""
    console = Console(
        file=io.StringIO(),
        width=max(width, WIDTH),
        force_terminal=styled,
        color_system="standard" if styled else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        if not report.groups:
            _say(console, words.nothing(report))
        for group in report.groups:
            _group(console, group)
        _say(console, words.OPTIMISM, style="dim")
        _say(console, words.PRIOR, style="dim")
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style))
    console.print()


def _group(console: Console, group: Group) -> None:
    first, last = group.markets[0].close_at, group.markets[-1].close_at
    head = f"{group.label}  {words.rule(group)}  (settings {group.settings_hash})"
    console.print(Text(words.plain(head), "bold"))
    console.print(f"{words.moment(first)} to {words.moment(last)} UTC")
    word, reason = group.verdict.word, group.verdict.reason
    style = _STYLES.get(word, "bold yellow")
    console.print(Text(f"{group.label} {word}: ", style).append(reason, "not bold"))
    for streak in group.health.streaks:
        loud = f"{group.label} LOOK: {words.streak(streak)}"
        console.print(Text(words.plain(loud), "bold red"))
    console.print()
    tables = [
        _availability(group),
        _funnel(group),
        _profit(group),
        _figures(group),
        *_health(group),
        *_divergence(group.label, group.divergence),
        _markets(group),
    ]
    for table in tables:
        console.print(table)
        console.print()


def _table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> Section:
    """A title over a table. ">" before a column's name: flush right, "~": it wraps."""
    table = Table(
        box=_PLAIN,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        safe_box=False,
    )
    for name in columns:
        table.add_column(
            name.lstrip(">~"),
            justify="right" if name.startswith(">") else "left",
            no_wrap=not name.startswith("~"),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(words.plain(cell)) for cell in row))
    return Section(Text(title, "bold"), table)


def _availability(group: Group) -> Section:
    return _table(
        f"{group.label}: was there something to buy within the cap?",
        (
            *(">\nat", ">\nmarkets", ">\nbuyable", ">\n95 %", ">median\nask"),
            *(">favour-\nite won", ">won when\nbuyable", ">\nfaulty"),
            ">not\nmeasured",
        ),
        [
            (
                words.offset(moment.offset_ms),
                str(moment.buyable.n),
                words.percent(moment.buyable.share),
                words.interval(moment.buyable),
                words.price(moment.median_ask),
                words.percent(moment.won.share, 1),
                words.percent(moment.won_when_buyable.share, 1),
                str(moment.faulty),
                words.count(moment.unmeasured),
            )
            for moment in group.availability
        ],
    )


def _funnel(group: Group) -> Section:
    rows: list[tuple[str, str, str]] = []
    for step in group.funnel:
        drops = [f"{count} {reason}" for reason, count in step.drops]
        rows.append((step.stage.title, str(step.count), "; ".join(drops)))
    return _table(
        f"{group.label}: how far markets came",
        ("stage", ">markets", "~went no further"),
        rows,
    )


def _profit(group: Group) -> Section:
    profit = group.profit
    needed = profit.wins_needed
    fees = words.dollars(profit.fees, 5)
    unknown = f", {profit.fees_unknown} unknown" if profit.fees_unknown else ""
    rows = [
        ("fired", words.rate(profit.fire, 1), words.interval(profit.fire, 1)),
        ("filled", words.rate(profit.fill, 1), words.interval(profit.fill, 1)),
        ("won", words.rate(profit.win, 1), words.interval(profit.win, 1)),
        ("void", str(profit.voids), ""),
        ("average price", words.dollars(profit.average_price, 4), ""),
        ("break-even with fees", words.percent(profit.break_even, 2), ""),
        (
            "expected value a share",
            words.gain(profit.value, 4),
            words.span(profit.value_interval, 4),
        ),
        ("wins still needed", words.UNKNOWN if needed is None else str(needed), ""),
        ("longest losing run", str(profit.losing_run), ""),
        ("deepest drawdown", words.dollars(profit.drawdown), ""),
        ("fees paid", f"{fees}{unknown}", ""),
        ("capital locked up", words.duration(profit.lock_up), "median"),
        ("open stake", words.dollars(profit.open_stake), ""),
    ]
    return _table(f"{group.label}: profit, pUSD", ("", ">value", ">95 %"), rows)


def _figures(group: Group) -> Section:
    return _table(
        f"{group.label}: profit by figure, pUSD; the first one counts",
        (
            *("\nfigure", ">\nprofit", ">\norders", ">\nfilled", ">paid\nout"),
            *(">\nopen", ">fee\nunknown", ">not\nestimated"),
        ),
        [
            (
                figure.name,
                words.gain(figure.profit),
                str(figure.orders),
                str(figure.filled),
                str(figure.counts.get(Standing.KNOWN, 0)),
                str(figure.counts.get(Standing.OPEN, 0)),
                str(figure.counts.get(Standing.FEE_UNKNOWN, 0)),
                str(figure.counts.get(Standing.NOT_ESTIMATED, 0)),
            )
            for figure in group.profit.figures
        ],
    )


def _health(group: Group) -> list[Section]:
    health, lateness = group.health, words.lateness(group.mode)
    answers = [("answer after first byte", _quantiles(health.answers))]
    rows = [
        ("markets observed", str(health.observed)),
        ("silent for", words.duration(health.silent_ms * MILLISECOND)),
        ("of watched", words.duration(health.watched_ms * MILLISECOND)),
        ("markets with silences", str(health.silent_markets)),
        ("reconnects", str(health.reconnects)),
        ("held up by itself, last 10 s", _quantiles(health.blocked)),
        ("markets where for over 2 ms", str(health.blocked_markets)),
        (lateness, _quantiles(health.timing)),
        *(answers if group.mode != "PAPER" else []),
    ]
    skips = [(reason, str(count)) for reason, count in health.skips]
    return [
        _table(f"{group.label}: health", ("", ">value"), rows),
        _table(f"{group.label}: skipped", ("reason", ">markets"), skips),
        _table(
            f"{group.label}: {lateness}\n"
            "(an ask that came under the cap later is rightly bought later)",
            (">ms", ">orders", ""),
            _histogram(health.histogram),
        ),
    ]


def _quantiles(times: Quantiles | None) -> str:
    if times is None:
        return words.UNKNOWN
    p50, p90, most = map(words.duration, (times.p50, times.p90, times.most))
    return f"half {p50}, 90 % {p90}, all {most}"


def bins() -> list[str]:
    """What the bins of the timing histogram are called, ms."""
    between = [f"{low}-{high}" for low, high in pairwise(EDGES_MS)]
    return [f"< {EDGES_MS[0]}", *between, f">= {EDGES_MS[-1]}"]


def _histogram(counts: Sequence[int]) -> list[tuple[str, str, str]]:
    longest = max(*counts, 1)
    return [
        (name, str(count), "#" * -(-count * 40 // longest))
        for name, count in zip(bins(), counts, strict=True)
    ]


def _divergence(label: str, found: Divergence | None) -> list[Section]:
    if found is None:
        return []
    ends = [
        ("filled in both", found.count(live=True, paper=True)),
        ("filled live only", found.count(live=True, paper=False)),
        ("filled on paper only", found.count(live=False, paper=True)),
        ("filled in neither", found.count(live=False, paper=False)),
        ("not known yet", found.unresolved),
    ]
    apart = [
        (
            twin.ticker,
            "filled" if twin.live_filled else "not",
            "filled" if twin.paper_filled else "not",
            words.gain(twin.price_difference, 4),
            words.gain(twin.shares_difference, 4),
            words.duration(twin.answer_ns),
        )
        for twin in found.twins[-LATEST:]
    ]
    return [
        _table(
            f"{label}: real orders against the paper model",
            ("", ">orders"),
            [(name, str(count)) for name, count in ends],
        ),
        _table(
            f"{label}: the latest of them, live minus paper",
            (
                *("\nmarket", "\nlive", "\npaper", ">\nprice", ">\nshares"),
                ">answer after\npaper matched",
            ),
            apart,
        ),
    ]


def _markets(group: Group) -> Section:
    shown = group.markets[-LATEST:]
    hidden = len(group.markets) - len(shown)
    more = f" (latest; {hidden} more in --json, --csv, --html)" if hidden else ""
    return _table(
        f"{group.label}: markets{more}",
        ("market", "end", "~why", "side", ">price", ">cost", ">profit"),
        [_market(group.mode, market) for market in shown],
    )


def _market(mode: str, market: MarketRecord) -> Sequence[str]:
    result = result_of(market, names(mode)[0])
    _, why = place(market)
    return (
        market.ticker,
        str(market.state),
        why.removeprefix(f"{market.state}: "),
        str(market.side or ""),
        words.price(market.price) if market.side else "",
        words.dollars(market.cost) if market.side else "",
        words.gain(result.profit) if market.side else "",
    )
