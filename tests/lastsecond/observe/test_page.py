"""The page: opened in a real browser, read as a tree, and never in need of more."""

import re
import struct
import zlib
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

from lastsecond.history import OFFSETS_MS, History
from lastsecond.observe.charts import HEADROOM, Frame, availability, equity
from lastsecond.observe.markup import Markup, element, together
from lastsecond.observe.page import as_html
from lastsecond.observe.report import build
from lastsecond.orders import State
from tests.lastsecond.observe.chromium import (
    DARK,
    look_into,
    needs_chromium,
    open_page,
)
from tests.lastsecond.observe.histories import (
    MICRO,
    NOW,
    SIMULATED,
    histories,
    history,
    market,
    observation,
    only,
    plausible,
    sample,
    sent,
    settled,
)

HOSTILE = "<script>alert('x')</script>\"><img src=http://example.com/x onerror=y>&amp;"
_EMPTY = {"meta", "link", "br"}


class Tree(HTMLParser):
    """A page read back: its tags, attributes and text; elements must nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = Counter[str]()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(key, value or "") for key, value in attrs]
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def classes(self) -> set[str]:
        found = (value for key, value in self.attributes if key == "class")
        return {name for value in found for name in value.split()}


def page(found: History) -> str:
    return as_html(build(found, now=NOW))


def both() -> History:
    """Paper and live groups of some days."""
    paper, live = plausible(300), plausible(120, mode="LIVE", seed=7)
    return History((*paper.runs, *live.runs), (*paper.markets, *live.markets))


def written(found: History, folder: Path) -> Path:
    path = folder / "report.html"
    path.write_text(page(found), encoding="utf-8")
    return path


def painted(png: Path) -> tuple[int, int, int, int]:
    """Width and height of a PNG, its first pixel's mean brightness, and its bytes."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind) in {(8, 2), (8, 6)}
    start = data.index(b"IDAT") + 4
    first = zlib.decompressobj().decompress(data[start:], 4)[1:]
    return width, height, sum(first) // 3, len(data)


# -- in a browser --


@needs_chromium
def test_a_browser_shows_the_page_without_a_complaint(tmp_path: Path) -> None:
    """Everything is in the DOM, nothing on the console, and nothing was asked for."""
    dom, console, asked = look_into(written(both(), tmp_path), tmp_path)
    assert (console, asked) == ("", set())
    tree = Tree(dom)
    assert "NOT ENOUGH DATA" in tree.text
    assert {"verdict", "band", "realistic", "optimistic", "pessimistic", "bar"} <= (
        tree.classes()
    )
    assert tree.tags["svg"] >= 8
    assert tree.tags["tr"] > 400
    assert tree.tags["script"] == tree.tags["img"] == 0


@needs_chromium
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1200, 1600), (500, 1400)])
def test_a_browser_paints_the_page(
    tmp_path: Path, *, dark: bool, size: tuple[int, int]
) -> None:
    """On a desk and on a phone, in light and in dark, there is something to see."""
    shot = tmp_path / "shot.png"
    width, height = size
    open_page(
        written(both(), tmp_path),
        tmp_path,
        f"--window-size={width},{height}",
        f"--screenshot={shot}",
        *([DARK] if dark else []),
    )
    seen_width, seen_height, ground, weight = painted(shot)
    assert (seen_width, seen_height) == size
    assert ground < 40 if dark else ground > 230
    assert weight > 50_000


@needs_chromium
@pytest.mark.parametrize("width", [320, 390, 760, 1200])
def test_nothing_sticks_out_of_the_page(tmp_path: Path, width: int) -> None:
    """On no width does the page itself have to be moved from side to side."""
    text = page(plausible(60, mode="LIVE"))
    inner = text.replace("http-equiv", "data-was").replace(
        "</body>",
        "<script>parent.postMessage(document.documentElement.scrollWidth,'*')</script>",
    )
    frame = element("iframe", srcdoc=inner, style=f"width:{width}px;border:0")
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<p>?</p>{frame}<script>onmessage = told => "
        "document.querySelector('p').textContent = told.data</script>",
        encoding="utf-8",
    )
    dom, _ = open_page(outer, tmp_path, "--dump-dom")
    assert f"<p>{width}</p>" in dom


@needs_chromium
def test_a_browser_takes_no_word_for_markup(tmp_path: Path) -> None:
    """What an exchange answered stays text in the DOM; no script runs."""
    row = sent(state=State.REJECTED, reason=HOSTILE, ticker=HOSTILE)
    dom, console, asked = look_into(written(history(row), tmp_path), tmp_path)
    tree = Tree(dom)
    assert tree.tags["script"] == tree.tags["img"] == 0
    assert HOSTILE in tree.text
    assert (console, asked) == ("", set())


@needs_chromium
def test_a_page_that_loads_and_complains_would_be_caught(tmp_path: Path) -> None:
    """What the other tests do not find is found where it is."""
    path = tmp_path / "bad.html"
    path.write_text(
        '<img src="http://127.0.0.1:9/x.png"><script>console.error("so")</script>'
    )
    _, console, asked = look_into(path, tmp_path)
    assert asked == {"http://127.0.0.1:9/x.png"}
    assert '"so"' in console


# -- as a tree --


@given(histories())
@settings(deadline=None)
def test_any_history_is_a_page(found: History) -> None:
    """Whatever the ledger holds, elements nest, and nothing is loaded or run."""
    text = page(found)
    assert text.startswith("<!doctype html>\n")
    tree = Tree(text.partition("\n")[2])
    assert not {"script", "img", "iframe", "object"} & set(tree.tags)
    loads = [v for key, v in tree.attributes if key in {"src", "href", "srcset"}]
    assert loads == ["data:,"]
    assert not [key for key, _ in tree.attributes if key.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    for word in ("nan", "inf", "None"):
        assert not re.search(rf"[\s>\"]-?{word}[\s<\"]", text)


def test_every_word_is_escaped() -> None:
    """Tickers, reasons, sides and settings come out as text."""
    rows = [
        sent(0, state=State.KILLED, reason=HOSTILE, ticker=HOSTILE),
        *(market(n, reason=HOSTILE, ticker=HOSTILE) for n in range(1, 12)),
    ]
    text = page(history(*(row for row in rows)))
    assert "<script" not in text
    assert "<img" not in text
    assert HOSTILE in Tree(text.partition("\n")[2]).text


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
def test_every_card_says_whose_it_is(mode: str) -> None:
    """PAPER or LIVE stands beside the title of each card."""
    text = page(plausible(150, mode=mode))
    titles = re.findall(r"<h2>(.+?)</h2>", text)
    assert len(titles) == (7 if mode == "PAPER" else 8)
    assert all(f">{mode}</span>" in title for title in titles)
    other = {"PAPER": "LIVE", "LIVE": "PAPER"}[mode]
    assert other not in text


@pytest.mark.parametrize("mode", ["PAPER", "LIVE"])
def test_a_simulation_says_so_on_every_card(mode: str) -> None:
    """In the title, the heading and each badge, which is never the red one of LIVE."""
    text = page(plausible(150, mode=mode, host=SIMULATED))
    badges = re.findall(r'<span class="mode (\w+)">(.+?)</span>', text)
    assert len(badges) == (8 if mode == "PAPER" else 9)
    assert set(badges) == {("simulated", f"{mode} (SIMULATED)")}
    assert f"<title>{mode} (SIMULATED) NOT ENOUGH DATA" in text
    assert "<h1>Last-second report (SIMULATED)</h1>" in text
    real, simulated = both(), plausible(9, host=SIMULATED, mode=mode)
    runs = (*real.runs, *(replace(r, settings_hash="sim") for r in simulated.runs))
    rows = (replace(row, settings_hash="sim") for row in simulated.markets)
    mixed = page(History(runs, (*real.markets, *rows)))
    assert "<h1>Last-second report</h1>" in mixed
    assert f"<summary>{mode} (SIMULATED) NOT ENOUGH DATA, " in mixed


def test_a_table_begins_with_what_a_phone_must_show() -> None:
    """The end, price and profit of a market come before its name; a hint is over it."""
    text = page(plausible(50, mode="LIVE"))
    heads = re.findall(r"<thead>(.+?)</thead>", text)
    names = [re.findall(r"<th[^>]*>(.*?)</th>", head) for head in heads]
    assert names[-1][:4] == ["closed, UTC", "end", "price", "profit"]
    assert names[-2][4:] == ["answer after paper matched", "market"]
    assert text.count('class="hint small"') == len(heads) == 3


def test_paper_timing_is_of_the_decision() -> None:
    """No byte leaves on paper, and nobody answers."""
    paper, live = page(plausible(50)), page(plausible(50, mode="LIVE"))
    assert "decision after the trigger" in paper
    assert "byte" not in paper
    assert "byte after the trigger" in live
    assert "answer after first byte" in live


def test_the_verdict_is_on_top() -> None:
    """Before any picture stands what to think of it all, and the way still to go."""
    text = page(history(settled()))
    assert text.index("NOT ENOUGH DATA") < text.index("<svg")
    assert "1 of 160 wins" in text
    assert 'class="card whole verdict not-enough-data"' in text


def test_other_groups_are_folded() -> None:
    """The latest group is open, each other one can be unfolded."""
    text = page(both())
    assert text.count('<details class="group">') == 1
    assert text.count('<section class="group">') == 1


def test_an_empty_ledger_is_a_page() -> None:
    """It says that there is nothing yet, and what to expect."""
    text = page(history())
    assert "No market is in the ledger yet." in text
    assert "nobody else competes" in text


def test_a_market_measured_nowhere_draws_no_curve() -> None:
    """Pictures without data say so instead of showing a line at 0."""
    text = page(history(market()))
    assert text.count("nothing measured yet") == 4
    assert 'class="band"' not in text


# -- pictures --


def test_a_curve_lies_where_its_values_are() -> None:
    """Each dot stands at its share of the axis, which ends above every interval."""
    moments = only(plausible(300)).availability
    text = availability(moments, 1000.0, width=1040, class_="wide")
    dots = re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', text)
    highest = max(m.buyable.interval[1] for m in moments if m.buyable.interval)
    top = next(n for n in (0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if highest <= n)
    frame = Frame(1040, 324, len(moments), (0, top), top=HEADROOM)
    wanted = [
        (frame.x(n + 0.5), frame.y(moment.buyable.share or 0))
        for n, moment in enumerate(moments)
    ]
    assert [(float(x), float(y)) for x, y in dots] == wanted
    bounds = [m.buyable.interval or (0, 0) for m in moments]
    over = [(frame.x(n + 0.5), frame.y(high)) for n, (_, high) in enumerate(bounds)]
    under = [(frame.x(n + 0.5), frame.y(low)) for n, (low, _) in enumerate(bounds)]
    band = "L".join(f"{x:g} {y:g}" for x, y in [*over, *reversed(under)])
    assert f'<path d="M{band}Z" class="band">' in text
    assert frame.y(0) == 324 - Frame.bottom
    assert frame.y(top) == HEADROOM


def test_a_long_curve_is_thinned_and_ends_where_it_ends() -> None:
    """However many markets there are, the last point is the last sum."""
    points = only(history(*(settled(n) for n in range(1500)))).equity
    text = equity(points)
    (path,) = re.findall(r'<path d="M([^"]+)" class="curve realistic"', text)
    steps = path.split("L")
    assert len(steps) == 601
    last = points[-1].sums["realistic"] / MICRO
    frame = Frame(500, 250, 600, (0, 150))
    assert steps[-1] == f"{frame.x(600):g} {frame.y(last):g}"
    assert "1500 markets" in text


@pytest.mark.parametrize(
    ("trigger_ms", "shown"), [(1000.0, True), (45_000.0, True), (None, False)]
)
def test_the_trigger_is_marked(trigger_ms: float | None, *, shown: bool) -> None:
    """Where the order leaves, if that is known and on the axis."""
    moments = only(plausible(50)).availability
    text = availability(moments, trigger_ms, width=420, class_="narrow")
    assert ("trigger" in text) is shown
    assert "trigger" not in availability(moments, 70_000.0, width=420, class_="")


@pytest.mark.parametrize("width", [1040, 420])
def test_no_label_stands_on_another_or_on_the_trigger(width: int) -> None:
    """Shares stand clear of the axis and of the notes; the line leaves them a gap."""
    shots = [sample(at, ask=980_000, fillable=True) for at in OFFSETS_MS]
    rows = [market(n, observation=observation(shots)) for n in range(3)]
    moments = only(history(*rows)).availability
    text = availability(moments, 1000.0, width=width, class_="")
    labels = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle" class="strong">100<',
        text,
    )
    places = [(float(x), float(y)) for x, y in labels]
    assert len(places) == len(OFFSETS_MS)
    half = 12  # of "100", in 12 px bold
    assert places[0][0] - half > Frame.left
    assert places[-1][0] + half < width - Frame.right
    assert all(b[0] - a[0] > 2 * half for a, b in pairwise(places))
    assert min(y for _, y in places) - 12 > 15  # the notes' line
    (line,) = re.findall(r'<path class="mark" d="([^"]+)"', text)
    x, y = places[OFFSETS_MS.index(-1000)]
    assert line == f"M{x:g} 4V{y - 13:g}M{x:g} {y + 4:g}V{324 - Frame.bottom}"


def test_text_is_escaped_unless_it_is_markup() -> None:
    """Elements are put together without quoting twice, or never."""
    inner = element("b", "1 < 2 & 3", title='"q"')
    assert inner == '<b title="&quot;q&quot;">1 &lt; 2 &amp; 3</b>'
    assert element("p", inner, "<i>") == f"<p>{inner}&lt;i&gt;</p>"
    assert element("br") == "<br>"
    assert isinstance(together("a", inner), Markup)
