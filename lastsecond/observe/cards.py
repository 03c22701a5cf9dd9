"""The cards of the page: one question each, with its picture or its table."""

from collections.abc import Iterable, Sequence

from lastsecond.history import MarketRecord
from lastsecond.market import MILLISECOND
from lastsecond.observe import charts, words
from lastsecond.observe.funnel import Step, place
from lastsecond.observe.health import Quantiles
from lastsecond.observe.markup import Markup, element, together
from lastsecond.observe.profit import FigureProfit, Standing, names, result_of
from lastsecond.observe.report import Group
from lastsecond.observe.tables import bins

LATEST = 500
"""Markets listed of a group; all of them are in --json and --csv."""


def badge(group: Group) -> Markup:
    """PAPER or LIVE, and whether simulated, as it stands beside every title."""
    real = "live" if group.mode == "LIVE" else "paper"
    kind = "simulated" if group.simulated else real
    return element("span", group.label, class_=f"mode {kind}")


def _card(
    group: Group, title: str, note: str, *inside: Markup, whole: bool = False
) -> Markup:
    head = element("h2", title, badge(group))
    told = [element("p", note, class_="soft small")] if note else []
    shape = "card whole" if whole else "card half"
    return element("section", head, *told, *inside, class_=shape)


def sign(amount: int | None) -> str:
    """The class of an amount: a gain, a loss, or neither."""
    if not amount:
        return ""
    return "gain" if amount > 0 else "loss"


def availability(group: Group) -> Markup:
    """The first thing to know: a curve, and the numbers under it."""
    seconds = group.trigger_seconds
    trigger = None if seconds is None else 1000 * seconds
    rows = [
        (
            words.offset(moment.offset_ms),
            str(moment.buyable.n),
            words.rate(moment.buyable),
            words.interval(moment.buyable),
            words.price(moment.median_ask),
            words.percent(moment.won.share, 1),
            words.rate(moment.won_when_buyable, 1),
            str(moment.faulty),
            words.count(moment.unmeasured),
        )
        for moment in group.availability
    ]
    header = (
        *("at", ">markets", ">buyable", ">95 %", ">median ask", ">favourite won"),
        *(">won when buyable", ">faulty", ">not measured"),
    )
    moments = group.availability
    return _card(
        group,
        "Was there something to buy?",
        "Share of markets whose favourite could be bought within the cap, by seconds "
        "to the close, with its 95 % interval",
        charts.availability(moments, trigger, width=1040, class_="wide"),
        charts.availability(moments, trigger, width=420, class_="narrow"),
        element(
            "details",
            element("summary", "The numbers"),
            _scroll(_table(header, rows), "scroll short"),
        ),
        whole=True,
    )


def equity(group: Group) -> Markup:
    """What each figure would have earned by and by."""
    items = [
        element("li", charts.swatch(figure.name), _figure_told(figure.name, group))
        for figure in group.profit.figures
    ]
    return _card(
        group,
        "Profit, market by market",
        "pUSD after fees, of markets that were paid out",
        charts.equity(group.equity),
        element("ul", *items, class_="legend small"),
    )


def _figure_told(name: str, group: Group) -> Markup:
    (figure,) = (one for one in group.profit.figures if one.name == name)
    gain = element("b", words.gain(figure.profit), class_=sign(figure.profit))
    return together(f"{name} ", gain)


def timing(group: Group) -> Markup:
    """How late orders left, or were decided where none does."""
    timing, paper = group.health.timing, group.mode == "PAPER"
    note = f"ms, {words.lateness(group.mode)}"
    if timing:
        note += f"; half within {words.duration(timing.p50)}"
    note += ". An ask that came under the cap later is rightly bought later."
    label = f"Orders by ms, {words.lateness(group.mode)}"
    chart = charts.histogram(bins(), group.health.histogram, label)
    title = "When it was decided to buy" if paper else "When orders left"
    return _card(group, title, note, chart)


def funnel(group: Group) -> Markup:
    """Every stage with what was lost after it."""
    most = max(group.funnel[0].count, 1)
    steps = [_step(step, most) for step in group.funnel]
    return _card(
        group,
        "How far markets came",
        "Each stage, and why the others went no further",
        element("ol", *steps, class_="steps"),
        whole=True,
    )


def _step(step: Step, most: int) -> Markup:
    drops = " · ".join(f"{count} {reason}" for reason, count in step.drops)
    name = together(step.stage.title, element("b", str(step.count)))
    bar = element("div", style=f"width:{100 * step.count / most:.1f}%")
    parts = [
        element("span", name, class_="name"),
        element("div", bar, class_="track"),
    ]
    if drops:
        parts.append(element("span", f"▾ {words.plain(drops)}", class_="drops"))
    return element("li", *parts)


def skips(group: Group) -> Markup:
    """The reasons to skip, most frequent first."""
    health = group.health
    most = max((count for _, count in health.skips), default=1)
    rows = [
        element(
            "li",
            element("span", reason, element("b", str(count)), class_="name"),
            element(
                "div",
                element("div", style=f"width:{100 * count / most:.1f}%"),
                class_="track",
            ),
        )
        for reason, count in health.skips
    ]
    return _card(
        group,
        "Why markets were skipped",
        "" if rows else "No market was.",
        element("ol", *rows, class_="steps"),
    )


def numbers(group: Group) -> Markup:
    """Whatever has no picture."""
    profit, health = group.profit, group.health
    unknown = f", {profit.fees_unknown} unknown" if profit.fees_unknown else ""
    silent = words.duration(health.silent_ms * MILLISECOND)
    watched = words.duration(health.watched_ms * MILLISECOND)
    answers = [("answer after first byte", _quantiles(health.answers))]
    rows = [
        ("average price", words.dollars(profit.average_price, 4)),
        ("longest losing run", str(profit.losing_run)),
        ("deepest drawdown", words.dollars(profit.drawdown)),
        ("fees paid", f"{words.dollars(profit.fees, 5)}{unknown}"),
        ("void markets", str(profit.voids)),
        ("capital locked up, median", words.duration(profit.lock_up)),
        ("open stake", words.dollars(profit.open_stake)),
        *(answers if group.mode != "PAPER" else []),
        ("without data", f"{silent} of {watched}"),
        ("reconnects", str(health.reconnects)),
        ("held up by itself, last 10 s", _quantiles(health.blocked)),
        *(
            (f"{figure.name}, in no sum", _in_no_sum(figure))
            for figure in profit.figures
        ),
    ]
    return _card(group, "In numbers", "", _table(("~", ">"), rows))


def _in_no_sum(figure: FigureProfit) -> str:
    left_out = (Standing.OPEN, Standing.FEE_UNKNOWN, Standing.NOT_ESTIMATED)
    counted = [(figure.counts.get(standing, 0), standing) for standing in left_out]
    return ", ".join(f"{n} {standing}" for n, standing in counted if n) or "none"


def _quantiles(times: Quantiles | None) -> str:
    if times is None:
        return words.UNKNOWN
    p50, p90 = words.duration(times.p50), words.duration(times.p90)
    return f"half {p50}, 90 % {p90}"


def divergence(group: Group) -> list[Markup]:
    """Live orders beside their paper twins; nothing on paper."""
    found = group.divergence
    if found is None:
        return []
    ends = [
        f"{found.count(live=True, paper=True)} filled in both",
        f"{found.count(live=True, paper=False)} live only",
        f"{found.count(live=False, paper=True)} on paper only",
        f"{found.count(live=False, paper=False)} in neither",
        f"{found.unresolved} not known yet",
    ]
    rows = [
        (
            "filled" if twin.live_filled else "not",
            "filled" if twin.paper_filled else "not",
            words.gain(twin.price_difference, 4),
            words.gain(twin.shares_difference, 4),
            words.duration(twin.answer_ns),
            twin.ticker,
        )
        for twin in reversed(found.twins[-LATEST:])
    ]
    header = (
        *("live", "paper", ">price", ">shares", ">answer after paper matched"),
        "market",
    )
    note = f"{', '.join(ends)}. Differences are live minus paper."
    title = "Real orders against the paper model"
    return [_card(group, title, note, _scroll(_table(header, rows)), whole=True)]


def markets(group: Group) -> Markup:
    """The latest markets, one a line."""
    shown = list(reversed(group.markets[-LATEST:]))
    hidden = len(group.markets) - len(shown)
    note = f"The latest first; {hidden} earlier ones are not shown" if hidden else ""
    header = (
        *("closed, UTC", "end", ">price", ">profit", "side", "result", ">cost"),
        *("market", "~why"),
    )
    rows = [_market(group.mode, market) for market in shown]
    table = _scroll(_table(header, rows))
    return _card(group, "Markets", note or "The latest first", table, whole=True)


def _market(mode: str, market: MarketRecord) -> Sequence[str]:
    _, why = place(market)
    profit = result_of(market, names(mode)[0]).profit if market.side else None
    bought = market.side is not None
    return (
        words.moment(market.close_at),
        str(market.state),
        words.price(market.price) if bought else "",
        element("span", words.gain(profit), class_=sign(profit)) if bought else "",
        str(market.side or ""),
        words.result(market.paid_up),
        words.dollars(market.cost) if bought else "",
        market.ticker,
        words.plain(why.removeprefix(f"{market.state}: ")),
    )


def _scroll(table: Markup, class_: str = "scroll") -> Markup:
    """A table that is moved sideways where it is too wide; a phone says that it is."""
    hint = element("p", "Move it sideways to see the rest \u2192", class_="hint small")
    return together(hint, element("div", table, class_=class_))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Before a column's name, ">" has it flush right, "~" has its cells wrap."""
    shapes = [{">": "right", "~": "why"}.get(name[:1], "nowrap") for name in header]
    titles = [
        element("th", name.lstrip(">~"), class_=shape)
        for name, shape in zip(header, shapes, strict=True)
    ]
    lines = [
        element(
            "tr",
            *(
                element("td", cell, class_=shape)
                for cell, shape in zip(row, shapes, strict=True)
            ),
        )
        for row in rows
    ]
    named = any(name.lstrip(">~") for name in header)
    head = [element("thead", element("tr", *titles))] if named else []
    return element("table", *head, element("tbody", *lines))
