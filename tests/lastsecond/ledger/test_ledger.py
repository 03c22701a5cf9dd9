"""A market's life in the ledger, and what a later run finds of it."""

import asyncio
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from lastsecond.errors import LedgerError
from lastsecond.ledger import Ledger
from lastsecond.market import NANOSECONDS, ConditionId
from lastsecond.orders import (
    Fill,
    IllegalMoveError,
    Killed,
    Matched,
    OpenOrder,
    Rejected,
    Result,
    Reverted,
    State,
    Uncertain,
)
from tests.lastsecond.ledger.setting import (
    CLOSE,
    MARKET,
    OTHER,
    START,
    UP,
    WALLET,
    StillClock,
    armed,
    events,
    ledger_in,
    pair,
    rows,
    sent,
    signed,
    table,
    watched,
)


async def test_a_whole_life_is_on_disk(tmp_path: Path) -> None:
    """From discovery to payout, every step leaves its row and its event."""
    async with ledger_in(tmp_path) as ledger:
        order_id = await sent(ledger)
        ledger.result(MARKET, order_id, Matched(5_050_000, 4_999_500, ("t1", "t2")))
        ledger.result(MARKET, order_id, Fill(5_050_000, 4_999_500))
        ledger.settle(MARKET, 5_050_000, "gamma")
    (market,) = table(tmp_path, "markets")
    assert (market["state"], market["wallet"]) == ("settled", WALLET.lower())
    assert [row["order_id"] for row in table(tmp_path, "sends")] == [order_id]
    statuses = [(row["status"], row["trade_ids"]) for row in table(tmp_path, "fills")]
    assert statuses == [("matched", '["t1", "t2"]'), ("filled", "[]")]
    assert [row["payout"] for row in table(tmp_path, "settlements")] == [5_050_000]
    kinds = [row["kind"] for row in table(tmp_path, "events")]
    assert kinds == [
        *("started", "discovered", "moved", "armed"),
        *("sent", "result", "result", "settled"),
    ]


async def test_every_event_says_who_wrote_it(tmp_path: Path) -> None:
    """Mode, settings and code stand on each event; the run on each row."""
    async with ledger_in(tmp_path, mode="PAPER") as ledger:
        ledger.note(None, "told", answer=42)
    (event,) = events(tmp_path, "told")
    assert event["detail"] == {"answer": 42}
    told = [event[name] for name in ("mode", "settings_hash", "code_version", "at")]
    assert told == ["PAPER", "settings", "code", START]
    (run,) = table(tmp_path, "runs")
    assert (run["id"], run["mode"], run["host"]) == (event["run_id"], "PAPER", "host")


async def test_armed_is_on_disk_when_arm_returns(tmp_path: Path) -> None:
    """Another reader sees the orders at once, with the body's hash and no body."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        await ledger.arm(MARKET, [signed(body=b"{}")])
        (order,) = table(tmp_path, "orders")
    assert order["order_id"] == UP
    assert order["body_sha256"].startswith("44136fa355b3678a1146ad16f7e8649e")


async def test_a_market_is_told_apart_by_wallet_and_mode(tmp_path: Path) -> None:
    """What paper or another wallet did says nothing of this one."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
    async with ledger_in(tmp_path, mode="PAPER") as ledger:
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.DISCOVERED
    async with ledger_in(tmp_path, wallet="0x2") as ledger:
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.DISCOVERED
    async with ledger_in(tmp_path, wallet=WALLET.upper()) as ledger:
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.WATCHING


async def test_a_market_that_was_armed_is_never_taken_up_again(tmp_path: Path) -> None:
    """Skipped after ARMED, it stays so, in this run and in the next."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        ledger.move(MARKET, State.SKIPPED, "above_cap")
        with pytest.raises(IllegalMoveError, match="was armed before"):
            ledger.move(MARKET, State.WATCHING)
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.SKIPPED
        assert ledger.was_armed(MARKET)
        with pytest.raises(IllegalMoveError, match="was armed before"):
            ledger.move(MARKET, State.WATCHING)
        assert ledger.fault is None


async def test_a_market_that_was_not_armed_is_taken_up_again(tmp_path: Path) -> None:
    """Skipped before ARMED, a later run may watch and arm it."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        ledger.move(MARKET, State.SKIPPED, "not_connected")
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        assert not ledger.was_armed(MARKET)
        await ledger.arm(MARKET, pair())
        assert ledger.was_armed(MARKET)
        assert ledger.fault is None
    assert [row["state"] for row in table(tmp_path, "markets")] == ["armed"]


async def test_what_an_earlier_run_armed_cannot_be_sent(tmp_path: Path) -> None:
    """A later run may ask after it, not send it."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
    async with ledger_in(tmp_path) as ledger:
        assert len(await ledger.unresolved()) == 1
        with pytest.raises(IllegalMoveError, match="was not armed to be sent"):
            ledger.sent(MARKET, UP, START)


async def test_a_later_run_finds_what_is_unresolved(tmp_path: Path) -> None:
    """Armed markets come with both orders, sent ones with the one that left."""
    clock = StillClock()
    async with ledger_in(tmp_path, clock=clock) as ledger:
        await armed(ledger)
        order_id = await sent(ledger, OTHER)
        ledger.result(OTHER, order_id, Uncertain("timeout"))
        done = await sent(ledger, ConditionId("0x3"))
        ledger.result(ConditionId("0x3"), done, Killed("book"))
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.unresolved() == [
            OpenOrder(
                condition_id=MARKET,
                ticker="btc",
                state=State.ARMED,
                order_ids=tuple(sorted(order.order_id for order in pair())),
                since=START,
                at_least=5_045_455,
            ),
            OpenOrder(
                condition_id=OTHER,
                ticker="btc",
                state=State.UNCERTAIN,
                order_ids=(order_id,),
                since=START + 1,
                at_least=5_045_455,
            ),
        ]


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Fill(1, 1), "filled"),
        (Matched(1, 1, ("t",)), "matched"),
        (Killed("x"), "killed"),
        (Rejected("x"), "rejected"),
        (Reverted("x"), "reverted"),
    ],
)
async def test_a_later_run_ends_what_was_left(
    tmp_path: Path, result: Result, state: str
) -> None:
    """An order found at the exchange ends its market, whichever token's it was."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
    async with ledger_in(tmp_path) as ledger:
        await ledger.unresolved()
        ledger.move(MARKET, State.UNCERTAIN, "found open")
        ledger.result(MARKET, UP, result)
        await ledger.flush()
        assert ledger.fault is None
    assert [row["state"] for row in table(tmp_path, "markets")] == [state]


async def test_an_answer_without_an_id_ends_it_too(tmp_path: Path) -> None:
    """When the exchange knows none of the orders, none is named."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
    async with ledger_in(tmp_path) as ledger:
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.ARMED
        await ledger.unresolved()
        ledger.move(MARKET, State.UNCERTAIN, "found open")
        with pytest.raises(IllegalMoveError, match="None is not its order"):
            ledger.result(MARKET, None, Fill(1, 1))
        ledger.result(MARKET, None, Killed("no such order"))
        await ledger.flush()
        assert ledger.fault is None
    assert [row["reason"] for row in table(tmp_path, "markets")] == ["no such order"]


async def test_news_of_the_same_state_is_kept(tmp_path: Path) -> None:
    """Matched and Uncertain may be told again, with more in them."""
    async with ledger_in(tmp_path) as ledger:
        order_id = await sent(ledger)
        ledger.result(MARKET, order_id, Uncertain("timeout"))
        ledger.result(MARKET, None, Uncertain("open: live"))
        ledger.result(MARKET, None, Matched(1, 1, ("t1",)))
        ledger.result(MARKET, None, Matched(2, 2, ("t1", "t2")))
        ledger.result(MARKET, None, Fill(2, 2))
        with pytest.raises(IllegalMoveError):
            ledger.result(MARKET, None, Fill(2, 2))
        await ledger.flush()
        assert ledger.fault is None
    assert len(events(tmp_path, "result")) == 5
    assert {row["order_id"] for row in table(tmp_path, "fills")} == {order_id}


async def test_sweeps_what_an_earlier_run_left_unarmed(tmp_path: Path) -> None:
    """Closed and never armed is skipped; open, armed, or of this run is not."""
    late = ConditionId("0x3")
    async with ledger_in(tmp_path) as ledger:
        await ledger.discover(MARKET, "btc", CLOSE)
        await armed(ledger, OTHER)
        await ledger.discover(late, "eth", CLOSE + NANOSECONDS)
    async with ledger_in(tmp_path) as ledger:
        await ledger.discover(MARKET, "btc", CLOSE)
        mine = ConditionId("0x4")
        await watched(ledger, mine)
        assert await ledger.sweep(CLOSE + 1) == [MARKET]
        ledger.move(MARKET, State.WATCHING)
    found = {row["condition_id"]: row["state"] for row in table(tmp_path, "markets")}
    assert found == {
        MARKET: "watching",
        OTHER: "armed",
        late: "discovered",
        mine: "watching",
    }
    swept = [e["detail"]["reason"] for e in events(tmp_path, "moved")]
    assert "stopped" in swept


async def _discover(ledger: Ledger) -> None:
    await ledger.discover(MARKET, "btc", CLOSE)


@pytest.mark.parametrize(
    ("prepare", "state", "told"),
    [
        (None, State.WATCHING, "never discovered"),
        (_discover, State.KILLED, "discovered cannot become killed"),
        (watched, State.ARMED, r"by arm\(\) only"),
        (armed, State.SENT, r"by sent\(\) only"),
        (sent, State.FILLED, r"by result\(\) only"),
        (sent, State.SETTLED, r"by settle\(\) only"),
    ],
)
async def test_a_wrong_move_is_raised_at_once(
    tmp_path: Path, prepare: object, state: State, told: str
) -> None:
    """A fault of this program shows where it is made, and leaves no row."""
    async with ledger_in(tmp_path) as ledger:
        if callable(prepare):
            await prepare(ledger)
        await ledger.flush()
        before = table(tmp_path, "events")
        with pytest.raises(IllegalMoveError, match=told):
            ledger.move(MARKET, state)
        await ledger.flush()
        assert table(tmp_path, "events") == before


async def test_arming_needs_orders_of_that_market(tmp_path: Path) -> None:
    """No order, or another market's, is a fault of this program."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        for orders in ([], pair(OTHER), [*pair(), signed(OTHER)]):
            with pytest.raises(IllegalMoveError, match="no order of its own"):
                await ledger.arm(MARKET, orders)
        await ledger.arm(MARKET, pair())


async def test_sends_and_answers_name_an_order_of_the_market(tmp_path: Path) -> None:
    """An id that is not the market's own is a fault of this program."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        with pytest.raises(IllegalMoveError, match="was not armed to be sent"):
            ledger.sent(MARKET, "0xother", START)
        ledger.sent(MARKET, UP, START)
        down = pair()[1].order_id
        with pytest.raises(IllegalMoveError, match="is not its order"):
            ledger.result(MARKET, down, Killed("x"))


async def test_an_order_cannot_be_in_two_markets(tmp_path: Path) -> None:
    """A repeated order id arms nothing, and the market can still be skipped."""
    async with ledger_in(tmp_path) as ledger:
        await armed(ledger)
        await watched(ledger, OTHER)
        twice = [replace(signed(OTHER), order_id=UP)]
        with pytest.raises(LedgerError, match="orders: is there already"):
            await ledger.arm(OTHER, twice)
        ledger.move(OTHER, State.SKIPPED, "failed")
        await ledger.flush()
        assert ledger.fault is None
    found = rows(tmp_path, "SELECT state FROM markets WHERE condition_id = ?", OTHER)
    assert found == [{"state": "skipped"}]


async def test_another_process_s_market_is_left_alone(tmp_path: Path) -> None:
    """Who loses the race to arm may skip; the winner's market does not notice."""
    async with ledger_in(tmp_path) as winner, ledger_in(tmp_path) as loser:
        for ledger in (winner, loser):
            await watched(ledger)
            await ledger.flush()
        await winner.arm(MARKET, pair())
        with pytest.raises(LedgerError, match="was armed by another process"):
            await loser.arm(MARKET, pair(by="second"))
        loser.move(MARKET, State.SKIPPED, "failed")
        with pytest.raises(IllegalMoveError):
            loser.move(MARKET, State.UNCERTAIN)
        await loser.flush()
        winner.sent(MARKET, UP, START)
        await winner.flush()
        assert winner.fault is loser.fault is None
        assert await loser.discover(MARKET, "btc", CLOSE) is State.SENT
    assert len(events(tmp_path, "left")) == 1


async def test_another_process_cannot_skip_what_was_armed(tmp_path: Path) -> None:
    """Who does not know that a market was armed does not move it, and stops arming."""
    async with ledger_in(tmp_path) as winner, ledger_in(tmp_path) as other:
        for ledger in (winner, other):
            await watched(ledger)
            await ledger.flush()
        await winner.arm(MARKET, pair())
        other.move(MARKET, State.SKIPPED, "no_ask")
        await other.flush()
        assert "was armed by another process" in (other.fault or "")
        winner.sent(MARKET, UP, START)
        await winner.flush()
        assert winner.fault is None
    assert [row["state"] for row in table(tmp_path, "markets")] == ["sent"]


async def test_cancelled_while_arming_it_can_be_skipped(tmp_path: Path) -> None:
    """Whether the disk was faster or not, the market ends skipped and unsent."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        arming = asyncio.ensure_future(ledger.arm(MARKET, pair()))
        await asyncio.sleep(0)
        arming.cancel()
        ledger.move(MARKET, State.SKIPPED, "stopped")
        await ledger.flush()
        with pytest.raises(IllegalMoveError):
            ledger.sent(MARKET, UP, START)
        assert ledger.fault is None
    assert [row["state"] for row in table(tmp_path, "markets")] == ["skipped"]
    assert len(table(tmp_path, "arms")) == 1


async def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    """0600, also the files beside it, also when it was wider before."""
    folder = tmp_path / "new" / "data"
    folder.mkdir(parents=True)
    (folder / "ledger.db").touch(0o666)
    async with ledger_in(folder) as ledger:
        await watched(ledger)
        modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
        assert modes == {0o600}


async def test_any_text_and_number_can_be_noted(tmp_path: Path) -> None:
    """What JSON or UTF-8 has no word for is kept in some other."""
    async with ledger_in(tmp_path) as ledger:
        await watched(ledger)
        ledger.move(MARKET, State.SKIPPED, "a lone \ud800", nan=float("nan"), odd={1})
        ledger.note(MARKET, "odd", bytes=b"\0", at=State.SENT)
        await ledger.flush()
        assert ledger.fault is None
    assert [row["reason"] for row in table(tmp_path, "markets")] == ["a lone ?"]


async def test_forgets_what_is_long_over(tmp_path: Path) -> None:
    """Memory holds no market for good; the disk does."""
    clock = StillClock()
    async with ledger_in(tmp_path, clock=clock) as ledger:
        await watched(ledger)
        ledger.move(MARKET, State.SKIPPED, "no_ask")
        await sent(ledger, OTHER)
        clock.at += 7200 * NANOSECONDS
        await ledger.discover(ConditionId("0x3"), "btc", CLOSE)
        with pytest.raises(IllegalMoveError, match="never discovered"):
            ledger.move(MARKET, State.WATCHING)
        ledger.result(OTHER, None, Killed("x"))
        assert await ledger.discover(MARKET, "btc", CLOSE) is State.SKIPPED
