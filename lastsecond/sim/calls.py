"""What the simulated REST endpoints share: strict parameters and exact refusals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multidict import MultiMapping


class Text(str):
    """A body as it is, where an answer is not a JSON value."""

    __slots__ = ()


class RefusedError(Exception):
    """A request that the exchange answers with an error."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Call:
    """One request, its parameters already checked by name."""

    path: Mapping[str, str]
    query: MultiMapping[str]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    target: str = ""
    """The path as it was sent, without the query."""

    def integer(self, name: str, default: int) -> int:
        """A whole number of at least 0. Raises RefusedError."""
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()):
            raise refuse(f"{name} is not a number: {text[:40]}")
        return int(text)

    def boolean(self, name: str) -> bool | None:
        """``true`` or ``false``; None when not given. Raises RefusedError."""
        text = self.query.get(name)
        if text is None:
            return None
        if text not in {"true", "false"}:
            raise refuse(f"{name} is not a boolean: {text[:40]}")
        return text == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A path, the parameters it takes, and its answer: a JSON value, or its text.

    The answer may have to be awaited.
    """

    method: str = "GET"
    path: str
    answer: Callable[[Call], object]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()

    def check(self, query: MultiMapping[str]) -> None:
        """Raises RefusedError for a missing, unknown or repeated parameter."""
        known = self.required | self.optional | self.repeatable
        for name in query:
            if name not in known:
                raise refuse(f"unknown parameter: {name[:40]}")
            if name not in self.repeatable and len(query.getall(name)) > 1:
                raise refuse(f"repeated parameter: {name}")
        for name in sorted(self.required):
            if not query.get(name):
                raise refuse(f"missing parameter: {name}")


def refuse(reason: str, status: int = 400) -> RefusedError:
    """The refusal ``{"error": reason}``."""
    return RefusedError(status, {"error": reason})
