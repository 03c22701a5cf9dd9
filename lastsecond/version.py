"""Which code is running, for the ledger's rows."""

import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_SPINE = ("main.py", "hft_trader.py", "gamma_15m_finder.py", "config.py")


@cache
def code_version() -> str:
    """Twelve hex digits that change whenever the program's source does."""
    digest = hashlib.sha256()
    package = sorted((_ROOT / "lastsecond").rglob("*.py"))
    for path in [*(_ROOT / name for name in _SPINE), *package]:
        digest.update(path.relative_to(_ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
