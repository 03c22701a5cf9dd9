"""The documents and the program say the same."""

import ast
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from dotenv import dotenv_values

import config
import main
from lastsecond.clock import SystemClock
from lastsecond.ledger import open_ledger
from lastsecond.market import ConditionId, Outcome, TokenId
from lastsecond.observe import options
from lastsecond.orders import STATE_OF, Rejected, SignedOrder, State
from lastsecond.reasons import SkipReason
from lastsecond.wire.answers import SAYINGS, Saying, Verdict, decode_order_answer
from tests.test_command_line import CHECKED

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
    "option", sorted(set(re.findall(r"--[a-z-]+", options.parser().format_usage())))
)
def test_every_option_is_explained(option: str) -> None:
    """README or docs/operating.md speaks of each option of the command line."""
    pages = read("README.md") + read("docs/operating.md")
    assert re.search(rf"{option}(?![a-z-])", pages)


def events() -> Iterator[str]:
    """The first words of everything that spine and package log."""
    for path in [*ROOT.glob("*.py"), *(ROOT / "lastsecond").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"))):
                    texts = [arg for arg in node.args if isinstance(arg, ast.Constant)]
                    words = (str(text.value).partition(" ")[0] for text in texts)
                    yield from (word for word in words if re.fullmatch("[A-Z_]+", word))
                case _:
                    pass


@pytest.mark.parametrize("event", sorted(set(events())))
def test_every_event_is_explained(event: str) -> None:
    """The first word of a log line can be looked up in docs/operating.md's table."""
    assert re.search(
        rf"^\| ([A-Z_]+, )*{event}[, |]", read("docs/operating.md"), re.MULTILINE
    )


def rows(page: str) -> list[str]:
    return [line for line in read(page).splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("saying", [s for s in SAYINGS if s.cure], ids=lambda s: s.part)
def test_every_refusal_has_its_cure(saying: Saying) -> None:
    """What an exchange may say against an order stands beside what to do about it."""
    effect = "halts" if saying.verdict is Verdict.HALTS else "goes on"
    wanted = f"| {effect} | {saying.cure}"
    found = [row for row in rows("docs/operating.md") if wanted in row]
    assert any(f"`{saying.part}`" in row for row in found)


@pytest.mark.parametrize("saying", SAYINGS, ids=lambda saying: saying.part)
def test_every_refusal_has_its_source(saying: Saying) -> None:
    """Where its words are from can be looked up in docs/exchange.md."""
    assert [row for row in rows("docs/exchange.md") if f"`{saying.part}`" in row]


def cured_statuses() -> Iterator[tuple[int, Rejected]]:
    """HTTP statuses that are refusals by themselves, with the words of the result."""
    order = SignedOrder(
        order_id="0x1",
        condition_id=ConditionId("0xc"),
        token_id=TokenId("1"),
        outcome=Outcome.UP,
        maker_amount=1_000_000,
        taker_amount=1_010_100,
        limit=990_000,
        body=b"",
    )
    for status in range(300, 600):
        body = json.dumps({"error": "?"} if status != 400 else {}).encode()
        result = decode_order_answer(status, body, order)
        if isinstance(result, Rejected):
            yield status, result


@pytest.mark.parametrize(("status", "result"), list(cured_statuses()))
def test_every_refusing_status_has_its_cure(status: int, result: Rejected) -> None:
    """A status that refuses without known words stands there, too."""
    _, _, cure = result.reason.partition("To do: ")
    wanted = f"| {'halts' if result.halts else 'goes on'} | {cure} |"
    found = [row for row in rows("docs/operating.md") if row.endswith(wanted)]
    assert any(f"HTTP {status}" in row for row in found)


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained(state: State) -> None:
    """What the ledger calls a market can be looked up, and what an order comes to."""
    page = read("docs/operating.md")
    assert re.search(rf"`{state}`|\| {state} \|", page)


@pytest.mark.parametrize("kind", STATE_OF, ids=lambda kind: kind.__name__)
def test_every_end_of_an_order_is_explained(kind: type) -> None:
    """The word after ORDER and the slug is in the table, with its state."""
    wanted = f"| `{kind.__name__.lower()}` | {STATE_OF[kind]} |"
    assert [row for row in rows("docs/operating.md") if row.startswith(wanted)]


@pytest.mark.parametrize("finding", CHECKED)
def test_every_finding_of_check_is_explained(finding: str) -> None:
    """Each line of `check` is shown, and stands in the table of what to do."""
    page = read("docs/operating.md")
    assert re.search(rf"^ok   {finding} {{2,}}", page, re.MULTILINE)
    assert re.search(rf"^\| ([\w ]+, )*{finding}(, [\w ]+)* \|", page, re.MULTILINE)


@pytest.mark.parametrize("status", [0, 1, 2, main.HELD, main.HALTED])
def test_every_exit_status_is_explained(status: int) -> None:
    """docs/operating.md has a row for each."""
    assert [row for row in rows("docs/operating.md") if row.startswith(f"| {status} |")]


async def test_every_query_of_the_ledger_works(tmp_path: Path) -> None:
    """The commands of docs/operating.md find their tables and columns."""
    path = tmp_path / "ledger.db"
    async with open_ledger(
        path,
        clock=SystemClock(),
        mode="LIVE",
        wallet="0x1",
        settings_hash="",
        code_version="",
        host="",
    ):
        pass
    command = re.compile(r'^sqlite3 -readonly data/ledger.db "(.+)"$', re.MULTILINE)
    queries = command.findall(read("docs/operating.md"))
    assert len(queries) > 3
    with closing(sqlite3.connect(path)) as connection:
        for query in queries:
            connection.execute(query).fetchall()


def test_every_table_of_the_ledger_is_explained() -> None:
    """docs/operating.md names each."""
    schema = read("lastsecond/ledger/schema.py")
    tables = set(re.findall(r"CREATE TABLE (\w+)", schema))
    assert tables
    found = re.findall(r"`(\w+)`", " ".join(rows("docs/operating.md")))
    assert tables <= set(found)


def test_every_room_has_its_place_in_the_map() -> None:
    """docs/architecture.md lists each file of the spine, and each of the package."""
    rooms = {
        f"lastsecond/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / "lastsecond").glob("[!_]*")
    }
    spine = {path.name for path in ROOT.glob("*.py")}
    mapped = re.findall(r"`([^`]+)`", " ".join(rows("docs/architecture.md")))
    assert rooms | spine <= set(mapped)


def test_nobody_else_s_paths_are_in_the_documents() -> None:
    """What is said here is true on any machine."""
    pages = [ROOT / "README.md", ROOT / ".env.example", *ROOT.glob("docs/*.md")]
    for page in pages:
        assert not re.search(r"/(work|root|tmp)/|\.\./", page.read_text())
