"""The documents and the program say the same."""

import re
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

import config
import main
from hft_trader import SkipReason

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"\| `(?P<name>\w+)` \| (?:`(?P<default>.+)`|—) \| (?P<about>.+) \|")

Entry = tuple[str, str, str]
"""A variable, its default as text, and its meaning."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def settings() -> list[Entry]:
    return [
        (name, config.default_text(spec), config.rule_of(spec).about)
        for name, spec in config.variables().items()
    ]


def readme_table() -> list[Entry]:
    """The rows of README's table of settings."""
    _, _, rest = read("README.md").partition("<!-- settings -->\n")
    table, end, _ = rest.partition("<!-- /settings -->")
    assert end, "README.md has no table of settings between its two marks"
    _, _, *rows = table.strip().splitlines()
    found = [ROW.fullmatch(row) for row in rows]
    assert all(found), "a row of README.md's table has another form"
    return [(row["name"], row["default"] or "", row["about"]) for row in found if row]


def example() -> list[Entry]:
    """The entries of .env.example: comment lines, then the assignment."""
    entries = []
    for paragraph in read(".env.example").strip().split("\n\n"):
        *comments, last = paragraph.splitlines()
        if not last.startswith("#"):
            about = " ".join(line.removeprefix("# ") for line in comments)
            name, _, default = last.partition("=")
            entries.append((name, default, about))
    return entries


def fenced(mark: str) -> list[str]:
    """The lines of README's code block that follows ``mark``."""
    block = re.search(
        rf"^<!-- {mark} -->\n```\w*\n(.*?)^```$",
        read("README.md"),
        re.MULTILINE | re.DOTALL,
    )
    assert block, f"README.md has no code block after its mark {mark}"
    return block[1].splitlines()


def test_the_readme_lists_every_setting() -> None:
    """README's table has each variable, in order, with its default and meaning."""
    assert readme_table() == settings()


def test_the_example_lists_every_setting() -> None:
    """.env.example has each variable, in order, with its default and meaning."""
    assert example() == settings()


def test_the_example_changes_nothing() -> None:
    """Copied to .env as it is, .env.example leaves every setting at its default."""
    written = dotenv_values(ROOT / ".env.example", interpolate=False)
    assert list(written) == list(config.variables())
    assert config.load(written) == config.Settings()


@pytest.mark.parametrize("mark", ["run", "test"])
def test_each_command_of_the_readme_is_one_line(mark: str) -> None:
    """A person copies a single line to run the program, and another to test it."""
    (line,) = fenced(mark)
    assert line.strip() == line != ""


def test_the_run_command_plays_the_recorded_markets() -> None:
    """The first command ends in the main job, offline, on pinned requirements."""
    (line,) = fenced("run")
    assert "-r requirements.txt" in line
    assert line.endswith("main.py --sim --once")


def test_the_gate_evaluates_the_test_command_of_the_readme() -> None:
    """What .ci/run evaluates is README's line itself, not a copy of it."""
    gate = read(".ci/run").splitlines()
    (extraction,) = [line for line in gate if line.startswith("test_command=")]
    assert 'eval "$test_command"' in gate
    shell = subprocess.run(
        ["bash", "-euc", f'{extraction}; printf %s "$test_command"'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [shell.stdout] == fenced("test")


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Each file that README links to is there, and each page of docs/ is linked."""
    links = set(re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", read("README.md")))
    assert [link for link in sorted(links) if not (ROOT / link).exists()] == []
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("[!_]*.md")}
    assert pages <= links


@pytest.mark.parametrize("reason", SkipReason)
def test_every_reason_to_skip_is_explained(reason: SkipReason) -> None:
    """A word after ``reason=`` in a DECISION can be looked up in docs/operating.md."""
    assert re.search(rf"`(reason=)?{reason}`", read("docs/operating.md"))


@pytest.mark.parametrize(
    "option", sorted(set(re.findall(r"--[a-z-]+", main.parser().format_usage())))
)
def test_every_option_is_explained(option: str) -> None:
    """README or docs/operating.md speaks of each option of the command line."""
    pages = read("README.md") + read("docs/operating.md")
    assert re.search(rf"{option}(?![a-z-])", pages)
