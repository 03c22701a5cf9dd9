"""The code's version: one word that changes with the source."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from lastsecond import version
from lastsecond.version import code_version

SPINE = ("main.py", "hft_trader.py", "gamma_15m_finder.py", "config.py")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small copy of the house with the real version.py in it."""
    room = tmp_path / "lastsecond" / "wire"
    room.mkdir(parents=True)
    for name in SPINE:
        (tmp_path / name).write_text(f"# {name}\n")
    (room / "book.py").write_text("PRICE = 1\n")
    shutil.copy(version.__file__, tmp_path / "lastsecond" / "version.py")
    return tmp_path


def version_of(house: Path) -> str:
    """What the copy says of itself."""
    path = house / "lastsecond" / "version.py"
    spec = importlib.util.spec_from_file_location("copied_version", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.code_version())


def test_twelve_hex_digits() -> None:
    """The same all through a run."""
    assert len(code_version()) == 12
    assert int(code_version(), 16) >= 0
    assert code_version() == code_version()


@pytest.mark.parametrize("name", [*SPINE, "lastsecond/wire/book.py"])
def test_every_source_counts(house: Path, name: str) -> None:
    """A byte in any file of spine or package is another version."""
    before = version_of(house)
    assert version_of(house) == before
    path = house / name
    path.write_bytes(path.read_bytes() + b" ")
    assert version_of(house) != before


def test_names_count(house: Path) -> None:
    """A file that moves or comes is another version; what is no source is not."""
    before = version_of(house)
    (house / "lastsecond" / "notes.txt").write_text("nothing")
    (house / "README.md").write_text("nothing")
    assert version_of(house) == before
    book = house / "lastsecond" / "wire" / "book.py"
    book.rename(book.with_name("ladder.py"))
    moved = version_of(house)
    assert moved != before
    (house / "lastsecond" / "empty.py").touch()
    assert version_of(house) not in {before, moved}
