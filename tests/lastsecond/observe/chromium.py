"""Debian's chromium, headless, as the tests of the page ask it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--hide-scrollbars", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--disable-extensions", "--metrics-recording-only"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # its own calls home lead nowhere
)
DARK = "--blink-settings=preferredColorScheme=0"

FOUND = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(
    FOUND is None and not os.environ.get("BROWSER_REQUIRED"),
    reason="Debian's package chromium is not installed",
)
"""Without it the tests are skipped, unless the gate says that it has installed it."""


def look_into(page: Path, folder: Path) -> tuple[str, str, set[str]]:
    """The DOM of ``page``, its console, and the addresses that it asked for.

    Requests of the browser itself have no origin; a page from a file has the null one.
    """
    net_log = folder / "net.json"
    dom, told = open_page(page, folder, "--dump-dom", f"--log-net-log={net_log}")
    log: Any = json.loads(net_log.read_text(encoding="utf-8"))
    params = [event.get("params", {}) for event in log["events"]]
    asked = {param["url"] for param in params if param.get("initiator") == "null"}
    return dom, "".join(line for line in told.splitlines() if "CONSOLE" in line), asked


def open_page(page: Path, folder: Path, *flags: str) -> tuple[str, str]:
    """What a browser with a new profile writes to stdout and stderr for ``page``."""
    assert FOUND, "chromium is not installed"
    done = subprocess.run(
        [
            FOUND,
            *_FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            *flags,
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    return done.stdout, done.stderr
