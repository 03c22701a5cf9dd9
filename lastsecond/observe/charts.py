"""The page's pictures, as SVG that takes its colours from the page."""

import math
from collections.abc import Iterable, Sequence

from lastsecond import money
from lastsecond.observe import words
from lastsecond.observe.availability import Availability
from lastsecond.observe.markup import Markup, element
from lastsecond.observe.profit import Equity

_MOST_POINTS = 600
"""Of an equity curve: there are not more pixels."""

HEADROOM = 40
"""Above the curve of what there was to buy: a line of notes, and the highest label."""

_NOTES = 15
"""The line of those notes."""

_LABEL = 16
"""So near to a line across it a label, centred, would be crossed."""

Point = tuple[float, float]


class Frame:
    """A picture's area: where the axes are, and what values lie on them.

    ``width`` and ``height`` are of the whole picture, ``bounds`` the least and the
    greatest value of the vertical axis, ``top`` what is left free above it.
    """

    left, right, bottom = 46, 14, 28

    def __init__(
        self,
        width: int,
        height: int,
        steps: int,
        bounds: tuple[float, float],
        *,
        top: int = 12,
    ) -> None:
        self.width, self.height, self.top = width, height, top
        self._steps = max(steps, 1)
        self._low, self._high = bounds

    def x(self, step: float) -> float:
        """Where the ``step``-th of the horizontal steps is."""
        span = self.width - self.left - self.right
        return round(self.left + span * step / self._steps, 1)

    def y(self, value: float) -> float:
        """Where a value is."""
        span = self.height - self.top - self.bottom
        share = (value - self._low) / (self._high - self._low)
        return round(self.height - self.bottom - span * share, 1)

    def rules(self, ticks: Iterable[tuple[float, str]]) -> list[Markup]:
        """A line across for each (value, label)."""
        found = []
        for value, label in ticks:
            y = self.y(value)
            found += [_line((self.left, y), (self.width - self.right, y), "rule")]
            found += [_text((self.left - 8, y + 4), label, "end")]
        return found

    def picture(self, label: str, parts: Iterable[Markup], class_: str = "") -> Markup:
        """The picture itself, with a label for those who cannot see it."""
        return element(
            "svg",
            *parts,
            viewBox=f"0 0 {self.width} {self.height}",
            role="img",
            aria_label=label,
            class_=class_,
        )


def availability(
    moments: Sequence[Availability],
    trigger_ms: float | None,
    *,
    width: int,
    class_: str,
) -> Markup:
    """In what share of markets something could be bought, with Wilson bands.

    Each moment stands in the middle of its step, clear of the axis and its labels.
    """
    top = _top(moments)
    frame = Frame(width, 324, len(moments), (0, top), top=HEADROOM)
    offsets = [moment.offset_ms for moment in moments]
    after = frame.x(sum(offset < 0 for offset in offsets))
    edge = width - frame.right
    bottom = frame.height - frame.bottom
    parts = [
        element(
            "rect",
            class_="after",
            x=after,
            y=0,
            width=max(edge - after, 0),
            height=bottom,
        ),
        *frame.rules((top * n / 4, f"{25 * top * n:g} %") for n in range(5)),
        _text(
            (after + 6, _NOTES),
            "after the close" if width > 600 else "after",
            "start",
        ),
        *_trigger(frame, _step_of(trigger_ms, offsets), _labels(frame, moments)),
        *_measured(frame, moments),
    ]
    for step, offset in enumerate(offsets):
        at = (frame.x(step + 0.5), bottom + 18)
        parts.append(_text(at, f"{offset / 1000:+g}", "middle"))
    label = "Share of markets with something to buy, by seconds to the close"
    return frame.picture(label, parts, class_)


def _top(moments: Sequence[Availability]) -> float:
    """The least round share that no interval exceeds."""
    bounds = [m.buyable.interval for m in moments if m.buyable.interval is not None]
    most = max((high for _, high in bounds), default=1.0)
    return next(top for top in (0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if most <= top)


def _measured(frame: Frame, moments: Sequence[Availability]) -> list[Markup]:
    known = [
        (frame.x(step + 0.5), moment, share, interval)
        for step, moment in enumerate(moments)
        if (share := moment.buyable.share) is not None
        and (interval := moment.buyable.interval) is not None
    ]
    if not known:
        return [_nothing(frame)]
    upper = [(x, frame.y(interval[1])) for x, _, _, interval in known]
    lower = [(x, frame.y(interval[0])) for x, _, _, interval in known]
    band = element("path", d=f"{_path([*upper, *reversed(lower)])}Z", class_="band")
    curve = [(x, frame.y(share)) for x, _, share, _ in known]
    parts = [band, element("path", d=_path(curve), class_="curve blue")]
    for x, moment, share, interval in known:
        told = (
            f"{words.offset(moment.offset_ms)}: {words.rate(moment.buyable)} buyable, "
            f"95 % {words.interval(moment.buyable)}, "
            f"favourite won {words.rate(moment.won_when_buyable)} of them"
        )
        dot = element("title", told)
        parts.append(_whisker(x, frame.y(interval[0]), frame.y(interval[1])))
        parts.append(
            element("circle", dot, class_="dot", cx=x, cy=frame.y(share), r=4.5)
        )
        above = (x, frame.y(interval[1]) - 7)
        parts.append(_text(above, f"{100 * share:.0f}", "middle", "strong"))
    return parts


def _whisker(x: float, low: float, high: float) -> Markup:
    return element(
        "path", d=f"M{x:g} {low:g}V{high:g}", class_="curve blue", stroke_opacity=0.35
    )


def _step_of(trigger_ms: float | None, offsets: Sequence[int]) -> float | None:
    """Where the order leaves, between the moments measured; None if not among them."""
    if trigger_ms is None:
        return None
    wanted = -trigger_ms
    later = next((n for n, at in enumerate(offsets) if at >= wanted), None)
    if later is None or (later == 0 and offsets[0] != wanted):
        return None
    step = later + 0.5
    if later:
        before, at = offsets[later - 1], offsets[later]
        step -= (at - wanted) / (at - before)
    return step


def _labels(frame: Frame, moments: Sequence[Availability]) -> list[Point]:
    """Where each share is written out: over its interval, the middle of its foot."""
    return [
        (frame.x(step + 0.5), frame.y(interval[1]) - 7)
        for step, moment in enumerate(moments)
        if (interval := moment.buyable.interval) is not None
    ]


def _trigger(frame: Frame, step: float | None, labels: Iterable[Point]) -> list[Markup]:
    """A line where the order leaves, interrupted by the labels in its way."""
    if step is None:
        return []
    x, reached = frame.x(step), 4.0
    path = ""
    for foot in sorted(foot for at, foot in labels if abs(at - x) < _LABEL):
        if foot - 13 > reached:
            path += f"M{x:g} {reached:g}V{foot - 13:g}"
        reached = max(reached, foot + 4)
    path += f"M{x:g} {reached:g}V{frame.height - frame.bottom}"
    note = _text((x - 6, _NOTES), "trigger", "end")
    return [element("path", class_="mark", d=path), note]


def equity(points: Sequence[Equity]) -> Markup:
    """The running profit of each figure, market by market."""
    shown = [points[round(at)] for at in _spread(len(points))]
    names = list(points[0].sums) if points else []
    lines = {name: [0, *(point.sums[name] for point in shown)] for name in names}
    ticks = _ticks([value / money.MICRO for line in lines.values() for value in line])
    frame = Frame(500, 250, len(shown), (ticks[0], ticks[-1]))
    places = 0 if all(tick == round(tick) for tick in ticks) else 2
    parts = frame.rules((tick, f"{tick:.{places}f}") for tick in ticks)
    edge = frame.width - frame.right
    parts.append(_line((frame.left, frame.y(0)), (edge, frame.y(0)), "zero"))
    for name in reversed(names):
        path = _path(
            (frame.x(step), frame.y(value / money.MICRO))
            for step, value in enumerate(lines[name])
        )
        parts.append(element("path", d=path, class_=f"curve {name}"))
    bottom = frame.height - 8
    parts.append(_text((edge, bottom), words.counted(len(points), "market"), "end"))
    if not points:
        parts.append(_nothing(frame))
    return frame.picture("Profit in pUSD, market by market", parts)


def histogram(names: Sequence[str], counts: Sequence[int], label: str) -> Markup:
    """How many orders were how late."""
    most = max(*counts, 1)
    frame = Frame(500, 250, len(counts), (0, most * 1.12))
    parts = []
    floor = frame.y(0)
    for step, (name, count) in enumerate(zip(names, counts, strict=True)):
        left, right = frame.x(step + 0.08), frame.x(step + 0.92)
        title = element("title", f"{name} ms: {words.counted(count, 'order')}")
        top = frame.y(count)
        parts.append(
            element(
                "rect",
                title,
                class_="bar",
                x=left,
                y=top,
                width=round(right - left, 1),
                height=round(floor - top, 1),
                rx=2,
            )
        )
        middle = (left + right) / 2
        if count:
            parts.append(_text((middle, top - 5), str(count), "middle", "strong"))
        start = name.partition("-")[0].removeprefix(">= ")
        parts.append(_text((middle, floor + 18), start, "middle"))
    parts.append(_line((frame.left, floor), (frame.width - frame.right, floor), "zero"))
    if not any(counts):
        parts.append(_nothing(frame))
    return frame.picture(label, parts)


def swatch(name: str) -> Markup:
    """A piece of a figure's line, for a legend."""
    path = element("path", d="M1 4H25", class_=f"curve {name}")
    return element("svg", path, viewBox="0 0 26 8", aria_hidden="true")


def _spread(size: int) -> list[float]:
    """At most _MOST_POINTS positions over ``size`` ones, the last included."""
    if size <= _MOST_POINTS:
        return [float(at) for at in range(size)]
    step = (size - 1) / (_MOST_POINTS - 1)
    return [at * step for at in range(_MOST_POINTS)]


def _ticks(values: Sequence[float]) -> list[float]:
    """Round values around all of ``values`` and 0, three to seven of them."""
    low, high = min([0.0, *values]), max([0.0, *values])
    if low == high:
        return [0.0, 1.0]
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for n in (1, 2, 5, 10) if (step := n * power) >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(first, last + 1)]


def _path(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _line(start: Point, end: Point, class_: str) -> Markup:
    (x1, y1), (x2, y2) = start, end
    return element("line", class_=class_, x1=x1, y1=y1, x2=x2, y2=y2)


def _text(at: Point, words_: str, anchor: str, class_: str = "") -> Markup:
    return element("text", words_, x=at[0], y=at[1], text_anchor=anchor, class_=class_)


def _nothing(frame: Frame) -> Markup:
    middle = (frame.width + frame.left - frame.right) / 2
    return _text((middle, frame.height / 2), "nothing measured yet", "middle")
