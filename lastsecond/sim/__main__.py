"""Serve the simulated exchange until Ctrl-C: ``python -m lastsecond.sim --help``."""

import argparse
import asyncio
import logging
import sys

from lastsecond.clock import SystemClock
from lastsecond.errors import WorldError
from lastsecond.signals import until_signalled
from lastsecond.sim import SimulatedExchange
from lastsecond.sim.scenarios import Recorded, Scenario, Seeded


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code is 0 after Ctrl-C, 2 for a taken port or no account."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    scenario: Scenario = Recorded()
    if options.scenario == "seeded":
        scenario = Seeded(options.seed)
    try:
        return asyncio.run(
            until_signalled(_serve(options.port, scenario, options.account))
        )
    except KeyboardInterrupt:
        return 0
    except (ValueError, WorldError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lastsecond.sim",
        description="A Polymarket on this machine: Gamma, the CLOB and its channels, "
        "with markets that close soon. No network, no money.",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--scenario",
        choices=("recorded", "seeded"),
        default="recorded",
        help="recorded: genuine last minutes, over and over (default); "
        "seeded: made-up markets in the windows that are open now",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="what the seeded markets grow from"
    )
    parser.add_argument(
        "--account",
        nargs=3,
        action="append",
        default=[],
        metavar=("ADDRESS", "FUNDER", "TYPE"),
        help="open an account with $1000 for the key of this address, its money in "
        "the funder's wallet, with this signature type (0 to 3); may be repeated",
    )
    return parser


async def _serve(port: int, scenario: Scenario, accounts: list[list[str]]) -> int:
    clock = SystemClock()
    async with SimulatedExchange(clock, port=port) as exchange:
        for address, funder, kind in accounts:
            exchange.add_account(
                address=address, funder=funder, signature_type=int(kind)
            )
        print(f"Gamma and CLOB: {exchange.http_url}")
        print(f"Market channel: {exchange.ws_url}")
        print("Point the bot here with:")
        print(f"  GAMMA_HOST={exchange.http_url}")
        print(f"  CLOB_HOST={exchange.http_url}")
        print(f"  CLOB_WS_URL={exchange.ws_url}")
        print("Ctrl-C ends it.", flush=True)
        while True:
            await scenario.play(exchange, clock)


if __name__ == "__main__":
    sys.exit(main())
