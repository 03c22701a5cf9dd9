"""The halt: a file that forbids every order until a person takes it away.

Whatever cannot be read counts as a halt. Anybody can set one with ``touch``.
"""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lastsecond.errors import WorldError
from lastsecond.ports import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_TEXT = 4000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Halted:
    """Why orders are forbidden, and since when: Unix ns."""

    reason: str
    at: int


class Halt:
    """The file HALT of a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """The folder is made when missing; one that goes missing later halts."""
        self.path = folder / "HALT"
        self._clock = clock
        self._unwritten: Halted | None = None
        with suppress(OSError):  # then it is active
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def active(self) -> bool:
        """Whether orders are forbidden; cheap enough to ask before each."""
        if self._unwritten is not None:
            return True
        try:
            self.path.lstat()
        except FileNotFoundError:
            return not self.path.parent.is_dir()
        except OSError:
            return True
        return True

    def set(self, reason: str) -> None:
        """Forbid orders. A halt that is set keeps its first reason; never raises.

        Where the file cannot be made, this process is halted all the same.
        """
        halted = Halted(" ".join(reason.split()), self._clock.now())
        try:
            if not self._make():
                return
        except OSError as error:
            self._unwritten = self._unwritten or halted
            logger.critical("HALT_UNWRITTEN %s: %s", halted.reason, error)
            return
        try:
            self._describe(halted)
        except OSError as error:
            logger.critical("HALT_UNEXPLAINED %s: %s", halted.reason, error)

    def _make(self) -> bool:
        """Have the file there: empty it halts already, and needs no room on disk."""
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        os.close(file)
        _sync(self.path.parent)
        return True

    def _describe(self, halted: Halted) -> None:
        """Put reason and time in it, both or neither."""
        written = self.path.with_name("HALT.new")
        at = _EPOCH + timedelta(microseconds=halted.at // 1000)
        file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(file, f"{at.isoformat()} {halted.reason}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        written.replace(self.path)
        _sync(self.path.parent)

    def read(self) -> Halted | None:
        """The reason and time; None when nothing forbids orders."""
        if not self.active:
            return None
        if self._unwritten is not None:
            return self._unwritten
        try:
            with self.path.open("rb") as file:
                text = file.read(_LONGEST_TEXT).decode(errors="replace").strip()
            since = self.path.stat().st_mtime_ns
        except OSError as error:
            reason = f"{self.path} cannot be read: {error.strerror}"
            return Halted(reason, self._clock.now())
        return _parse(text, since)

    def clear(self) -> bool:
        """Allow orders again; whether they were forbidden.

        Raises WorldError when the file cannot be taken away.
        """
        was_active, self._unwritten = self.active, None
        try:
            self.path.unlink(missing_ok=True)
            _sync(self.path.parent)
        except OSError as error:
            raise WorldError(
                f"{self.path}: cannot be taken away: {error.strerror}"
            ) from error
        return was_active


def _parse(text: str, since: int) -> Halted:
    """The file's text; a person's own, without a time, dates from its writing."""
    time, _, reason = text.partition(" ")
    try:
        at = (datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, TypeError):  # no time, or one without a zone
        return Halted(text or "no reason given", since)
    return Halted(reason or "no reason given", at)


def _sync(folder: Path) -> None:
    """Have a change of names in a folder on disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
