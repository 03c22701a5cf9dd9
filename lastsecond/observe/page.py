"""The report as one page that needs nothing else: no network, no font, no script."""

from lastsecond.observe import cards, words
from lastsecond.observe.markup import Markup, element
from lastsecond.observe.report import Group, Report
from lastsecond.observe.style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def as_html(report: Report) -> str:
    """A whole HTML document; every text in it is escaped, nothing is loaded."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", _title(report)),
        element("style", Markup(STYLE)),
    )
    main = element("main", _masthead(report), *_groups(report), _footer())
    return f'<!doctype html>\n<html lang="en">{head}{element("body", main)}</html>\n'


def _title(report: Report) -> str:
    if not report.groups:
        return "Last-second report"
    group = report.groups[0]
    return f"{group.label} {group.verdict.word} - last-second report"


def _heading(report: Report) -> str:
    simulated = [group.simulated for group in report.groups]
    wholly = bool(simulated) and all(simulated)
    return "Last-second report (SIMULATED)" if wholly else "Last-second report"


def _masthead(report: Report) -> Markup:
    since = f", markets from {words.moment(report.since)}" if report.since else ""
    made = f"{words.moment(report.generated_at)} UTC{since}"
    return element(
        "header",
        element("h1", _heading(report)),
        element("p", made, class_="soft small"),
        class_="masthead",
    )


def _groups(report: Report) -> list[Markup]:
    """The latest group at once, the others folded."""
    if not report.groups:
        nothing = element("p", words.nothing(report))
        return [element("section", nothing, class_="card group")]
    latest, *others = report.groups
    parts = [element("section", *_group(latest), class_="group")]
    for group in others:
        summary = f"{group.label} {group.verdict.word}, {_subject(group)}"
        parts.append(
            element(
                "details", element("summary", summary), *_group(group), class_="group"
            )
        )
    return parts


def _subject(group: Group) -> str:
    first, last = group.markets[0].close_at, group.markets[-1].close_at
    return (
        f"{words.rule(group)}; {words.counted(len(group.markets), 'market')}, "
        f"{words.moment(first)} to {words.moment(last)} UTC, "
        f"settings {group.settings_hash}"
    )


def _group(group: Group) -> list[Markup]:
    parts = [
        _verdict(group),
        _tiles(group),
        cards.availability(group),
        cards.equity(group),
        cards.timing(group),
        cards.funnel(group),
        cards.skips(group),
        cards.numbers(group),
        *cards.divergence(group),
        cards.markets(group),
    ]
    return [element("div", *parts, class_="grid")]


def _verdict(group: Group) -> Markup:
    verdict, profit = group.verdict, group.profit
    parts = [
        element("div", cards.badge(group)),
        element("p", str(verdict.word), class_="word"),
        element("p", verdict.reason, class_="reason"),
    ]
    if verdict.wins_needed:
        goal = profit.win.k + verdict.wins_needed
        done = f"width:{100 * profit.win.k / goal:.1f}%"
        parts += [
            element("div", element("div", style=done), class_="progress"),
            element(
                "p",
                f"{profit.win.k} of {goal} wins, if none of the rest is lost",
                class_="soft small",
            ),
        ]
    for streak in group.health.streaks:
        parts.append(element("p", words.streak(streak), class_="loud"))
    parts.append(element("p", _subject(group), class_="soft small"))
    tone = str(verdict.word).lower().replace(" ", "-")
    return element("section", *parts, class_=f"card whole verdict {tone}")


def _tiles(group: Group) -> Markup:
    profit = group.profit
    counts = profit.figures[0]
    tiles = [
        (f"profit, {counts.name}", words.gain(counts.profit), "pUSD, fees paid"),
        ("won", words.percent(profit.win.share, 1), words.rate(profit.win)),
        ("break-even", words.percent(profit.break_even, 2), "win rate, with fees"),
        ("fired", words.percent(profit.fire.share, 1), words.rate(profit.fire)),
        ("filled", words.percent(profit.fill.share, 1), words.rate(profit.fill)),
        (
            "expected a share",
            words.gain(profit.value, 4),
            words.span(profit.value_interval, 4),
        ),
    ]
    signs = {0: cards.sign(counts.profit), 5: cards.sign(profit.value)}
    shown = [
        element(
            "div",
            element("p", name, class_="soft small"),
            element("p", figure, class_=f"figure {signs.get(place_, '')}".strip()),
            element("p", note, class_="soft small"),
            class_="card tile",
        )
        for place_, (name, figure, note) in enumerate(tiles)
    ]
    return element("div", *shown, class_="tiles")


def _footer() -> Markup:
    return element("footer", element("p", words.OPTIMISM), element("p", words.PRIOR))
