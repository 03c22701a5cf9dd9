"""The real venue: orders signed by the vendor's builder, posted once on a warm line.

The only importer of py_clob_client_v2, and itself imported only where real orders are
to be made (it costs 0.4 s). The vendor's networking is kept off the order path: it
posts through a client that blocks, polls for 30 s after a match, and may send twice.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from eth_utils.address import is_checksum_address, is_hex_address
from py_clob_client_v2 import ClobClient
from py_clob_client_v2.config import get_contract_config
from py_clob_client_v2.exceptions import PolyException
from py_clob_client_v2.order_utils import (
    ExchangeOrderBuilderV2,
    OrderDataV2,
    SignatureTypeV2,
    SignedOrderV2,
)
from py_clob_client_v2.order_utils import Side as VendorSide
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2
from py_clob_client_v2.signer import Signer

from lastsecond import money
from lastsecond.errors import LineError, NotSentError, VenueError
from lastsecond.line import Answer, Line
from lastsecond.market import MILLISECOND, NANOSECONDS, TokenId
from lastsecond.orders import (
    NEVER,
    Estimate,
    Intent,
    Rejected,
    Result,
    SignedOrder,
    Uncertain,
)
from lastsecond.ports import Clock, JsonSource, Sight
from lastsecond.venues.reconcile import USUAL, Patience, Reconciler
from lastsecond.wire.answers import decode_order_answer

DEPOSIT_WALLET = 3
"""Signature type of accounts whose maker and signer are the wallet itself."""

VERSION = 2
"""The order version that this signs; ``/version`` must say the same."""

_SALT_BITS = 53
_STANDARD_BASE64 = str.maketrans("-_", "+/")
_WARM_PATH = "/time"
_ORDER_PATH = "/order"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The CLOB's API key of an account."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


class Account:
    """A key, the wallet it signs for, and the orders it makes."""

    def __init__(
        self, private_key: str, *, signature_type: int, funder: str, chain_id: int
    ) -> None:
        """``funder`` empty: the key's own address. Raises VenueError: no fit."""
        try:
            self._signer = Signer(private_key, chain_id)
        except ValueError:
            raise VenueError(
                "PRIVATE_KEY is no private key: export it again from your wallet"
            ) from None
        self.address: str = self._signer.address()
        self.signature_type = signature_type
        self.funder = funder or self.address
        if not _well_formed(self.funder):
            raise VenueError(
                "FUNDER_ADDRESS is mistyped, its checksum is wrong: copy it again from "
                "the exchange's site"
            )
        own = self.funder.lower() == self.address.lower()
        if signature_type == 0 and not own:
            raise VenueError(
                "SIGNATURE_TYPE 0 is the key's own account: leave FUNDER_ADDRESS "
                "empty, or set the type of that account (1, 2 or 3)"
            )
        if signature_type != 0 and own:
            raise VenueError(
                f"SIGNATURE_TYPE {signature_type} needs FUNDER_ADDRESS, the address "
                "that the exchange's site shows as your wallet"
            )
        self._builder = ExchangeOrderBuilderV2(
            get_contract_config(chain_id).exchange_v2,
            chain_id,
            self._signer,
            generate_salt=lambda: str(secrets.randbits(_SALT_BITS)),
        )

    def sign(self, intent: Intent, *, owner: str, timestamp_ms: int) -> SignedOrder:
        """The fill-or-kill order for ``intent``; takes some 3 ms of CPU.

        ``owner`` is the API key. Raises VenueError: the amounts leave nothing to buy.
        """
        try:
            maker, taker = money.order_amounts(intent.spend, intent.limit, intent.tick)
        except ValueError as error:
            raise VenueError(str(error)) from error
        wallet_signs = self.signature_type == DEPOSIT_WALLET
        order = self._builder.build_order(
            OrderDataV2(
                maker=self.funder,
                signer=self.funder if wallet_signs else self.address,
                tokenId=intent.token_id,
                makerAmount=str(maker),
                takerAmount=str(taker),
                side=VendorSide.BUY,
                signatureType=SignatureTypeV2(self.signature_type),
                timestamp=str(timestamp_ms),
            )
        )
        typed = self._builder.build_order_typed_data(order)
        signature = self._builder.build_order_signature(typed)
        signed = SignedOrderV2(**{**asdict(order), "signature": signature})
        body = json.dumps(order_to_json_v2(signed, owner, "FOK"), separators=(",", ":"))
        return SignedOrder(
            order_id=self._builder.build_order_hash(typed),
            condition_id=intent.condition_id,
            token_id=intent.token_id,
            outcome=intent.outcome,
            maker_amount=maker,
            taker_amount=taker,
            limit=money.on_grid(intent.limit, intent.tick),
            body=body.encode("ascii"),
        )

    async def derive(self, host: str) -> Credentials:
        """The account's API key, made by the exchange if there is none yet.

        Kept in memory only. Raises VenueError.
        """
        key = self._signer.private_key
        client = ClobClient(host, self._signer.chain_id, key=key, use_server_time=True)

        def ask() -> Credentials:
            try:
                made = client.derive_api_key()
            except PolyException:
                made = client.create_api_key()
            return Credentials(made.api_key, made.api_secret, made.api_passphrase)

        try:
            return await asyncio.to_thread(ask)
        except (PolyException, KeyError, TypeError) as error:
            status = getattr(error, "status_code", None)
            said = f"HTTP {status}" if status else type(error).__name__
        # outside of it: the vendor's error shows the answer, which may be the API key
        raise VenueError(f"the exchange gives this key no API key: {said}")


def _well_formed(address: str) -> bool:
    """Forty hex digits, with the checksum of EIP-55 where letters are of both cases."""
    digits = address[2:]
    plain = digits in {digits.lower(), digits.upper()}
    return is_hex_address(address) and (plain or is_checksum_address(address))


class Authority:
    """Signs requests as an account's API key does (L2)."""

    def __init__(self, address: str, credentials: Credentials, clock: Clock) -> None:
        """Timestamps are ``clock``'s, the exchange's. Raises VenueError: bad secret."""
        try:
            secret = base64.b64decode(
                credentials.secret.translate(_STANDARD_BASE64), validate=True
            )
        except ValueError:
            raise VenueError(
                "CLOB_SECRET is not base64: copy it again, or clear CLOB_API_KEY, "
                "CLOB_SECRET and CLOB_PASSPHRASE to have them derived"
            ) from None
        self._keyed = hmac.new(secret, digestmod=hashlib.sha256)
        self._clock = clock
        self._fixed = {
            "POLY_ADDRESS": address,
            "POLY_API_KEY": credentials.key,
            "POLY_PASSPHRASE": credentials.passphrase,
        }
        self.key = credentials.key
        own = (credentials.key, credentials.secret, credentials.passphrase)
        forms = {form for text in own for form in (text, json.dumps(text)[1:-1])} - {""}
        longest_first = sorted(forms, key=len, reverse=True)
        self._own = re.compile(
            b"|".join(re.escape(form.encode()) for form in longest_first) or b"(?!)",
            re.IGNORECASE,
        )

    def now(self) -> int:
        """The exchange's time, Unix ns."""
        return self._clock.now()

    def conceal(self, answer: bytes) -> bytes:
        """An answer without the credentials, which an exchange may echo."""
        return self._own.sub(b"[secret]", answer)

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """The five headers of one request; ``path`` without its query.

        HMAC-SHA256 over timestamp, method, path and the exact body, in URL-safe base64
        (py-clob-client-v2 1.2.1).
        """
        timestamp = str(self._clock.now() // NANOSECONDS)
        message = f"{timestamp}{method}{path}".encode() + body
        signer = self._keyed.copy()  # a new one takes as long as all the rest
        signer.update(message)
        return {
            **self._fixed,
            "POLY_TIMESTAMP": timestamp,
            "POLY_SIGNATURE": base64.urlsafe_b64encode(signer.digest()).decode("ascii"),
        }


class LiveTicket:
    """One market's signed orders and the line that one of them may leave on."""

    def __init__(
        self,
        orders: Mapping[TokenId, SignedOrder],
        line: Line,
        authority: Authority,
        *,
        close_at: int = NEVER,
        forbidden: Callable[[], bool] = lambda: False,
    ) -> None:
        """``close_at`` (Unix ns) and ``forbidden`` hold back what was not sent yet."""
        self.orders = orders
        self._close_at = close_at
        self._forbidden = forbidden
        self._line = line
        self._authority = authority
        self._fired = False

    async def warm(self) -> None:
        """Use the line once, so that it is open and fast; a failure is told later.

        It is left alone once the order is on it.
        """
        if self._fired:
            return
        with suppress(NotSentError, LineError):
            await self._line.warm(_WARM_PATH)

    def fire(self, token_id: TokenId, sight: Sight) -> Awaitable[Result]:  # noqa: ARG002  a paper venue's need
        """Post the order; its bytes have left when this returns, if the line was up.

        Await the answer. A second call is a fault of this program: AssertionError.
        """
        assert not self._fired, "one order a market"
        self._fired = True
        order = self.orders[token_id]
        try:
            return self._answer(self._post(order), order)
        except NotSentError:
            return self._connect_and_post(order)

    def estimates(self) -> Sequence[Estimate]:
        """None: what was really sent needs no guess."""
        return ()

    def close(self) -> None:
        """Drop the line."""
        self._line.close()

    def _post(self, order: SignedOrder) -> asyncio.Future[Answer]:
        headers = self._authority.headers("POST", _ORDER_PATH, order.body)
        return self._line.send("POST", _ORDER_PATH, headers, order.body)

    async def _connect_and_post(self, order: SignedOrder) -> Result:
        """The line was down, so nothing has left: open it and post, once."""
        left = (self._close_at - self._authority.now()) / NANOSECONDS
        try:
            async with asyncio.timeout(max(left, 0)):
                await self._line.connect()
            if self._forbidden() or self._authority.now() >= self._close_at:
                return Rejected("never sent: halted or closed meanwhile")
            sent = self._post(order)
        except TimeoutError:
            return Rejected("never sent: the market closed meanwhile")
        except NotSentError as error:
            return Rejected(f"never sent: {error}")
        return await self._answer(sent, order)

    async def _answer(self, sent: asyncio.Future[Answer], order: SignedOrder) -> Result:
        try:
            answer = await self._line.answer_of(sent)
        except LineError as error:
            return Uncertain(self._authority.conceal(str(error).encode()).decode())
        body = self._authority.conceal(answer.body)
        return decode_order_answer(answer.status, body, order)


class DiscreetSource:
    """HTTP reads whose answers never hold the credentials."""

    def __init__(self, inner: JsonSource, authority: Authority) -> None:
        self._inner = inner
        self._authority = authority

    async def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        budget: float = 25.0,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """As the inner one's."""
        return self._authority.conceal(
            await self._inner.get(url, params, budget=budget, headers=headers)
        )


class LiveVenue:
    """Makes orders ready and sends them; knows one account and one exchange."""

    label = "LIVE"

    def __init__(  # noqa: PLR0913  who orders, and what it stands on
        self,
        account: Account,
        authority: Authority,
        *,
        source: JsonSource,
        host: str,
        clock: Clock,
        patience: Patience = USUAL,
        forbidden: Callable[[], bool] = lambda: False,
    ) -> None:
        """Reads go through ``source``; orders each have a line of their own.

        ``forbidden`` says whether orders were halted meanwhile.
        """
        self._forbidden = forbidden
        self.follow = Reconciler(
            DiscreetSource(source, authority),
            authority.headers,
            host=host,
            clock=clock,
            patience=patience,
        ).follow
        self._account = account
        Line(host)  # what lines share is made now, not before a trigger
        self._authority = authority
        self._host = host
        self._clock = clock

    async def arm(self, intents: Sequence[Intent]) -> LiveTicket:
        """Sign every intent's order, off the event loop, and open a line.

        Raises VenueError.
        """
        now_ms = self._clock.now() // MILLISECOND

        def sign() -> dict[TokenId, SignedOrder]:
            return {
                intent.token_id: self._account.sign(
                    intent, owner=self._authority.key, timestamp_ms=now_ms
                )
                for intent in intents
            }

        orders = await asyncio.to_thread(sign)
        ticket = LiveTicket(
            orders,
            Line(self._host),
            self._authority,
            close_at=min(intent.close_at for intent in intents),
            forbidden=self._forbidden,
        )
        try:
            await ticket.warm()
        except BaseException:
            ticket.close()
            raise
        return ticket
