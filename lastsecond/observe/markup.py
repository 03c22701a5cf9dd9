"""HTML as a tree of elements, in which text is always escaped."""

from html import escape

_VOID = {"meta", "link", "br"}


class Markup(str):
    """Text that is HTML already; any other text is escaped where it is put in."""

    __slots__ = ()


def element(name: str, /, *inside: str, **attributes: str | float) -> Markup:
    """An element with its content; ``class_`` and ``stroke_width`` lose their "_"."""
    parts = [name]
    for key, value in attributes.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    opening = f"<{' '.join(parts)}>"
    if name in _VOID:
        return Markup(opening)
    return Markup(f"{opening}{together(*inside)}</{name}>")


def together(*parts: str) -> Markup:
    """Parts one after the other, each escaped unless it is Markup."""
    return Markup(
        "".join(part if isinstance(part, Markup) else escape(part) for part in parts)
    )
