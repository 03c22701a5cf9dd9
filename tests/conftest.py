"""What every test has: hypothesis does not mind a machine that is busy elsewhere.

The gate tries few examples of each property; ``HYPOTHESIS_PROFILE=long`` tries many.
Programs that tests start are not measured for coverage: it would double their time.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

for name, examples in (("gate", 25), ("long", 1_000)):
    settings.register_profile(
        name,
        deadline=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

LONGEST = (
    *("test_offline_live.py", "test_command_line.py", "test_dry_run.py"),
    *("test_crash.py", "test_page.py", "test_seeded.py", "test_secrets.py"),
)
"""Files that are begun first, so that no worker is left with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))
