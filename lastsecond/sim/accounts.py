"""Accounts of the simulated exchange: their money, their keys, and who is asking.

Level 1 (a wallet's signature) makes or tells an API key; level 2 (an HMAC with that
key's secret) accompanies everything else (docs/exchange.md).
"""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lastsecond import money
from lastsecond.market import NANOSECONDS, TokenId
from lastsecond.sim.calls import RefusedError, refuse
from lastsecond.sim.order_body import ADDRESS

_TOLERANCE = 30
"""Seconds by which a request's timestamp may differ from the exchange's clock (ours:
what production tolerates is not known)."""

_TYPES = range(4)


@dataclass(eq=False)
class Account:
    """One customer: a key's address, the wallet that pays, and what is in it."""

    address: str
    """Of the key that signs."""
    funder: str
    """Of the wallet that holds the money; the same for signature type 0."""
    signature_type: int
    balance: int
    """Micro-dollars."""
    allowance: int | None = None
    """Micro-dollars that the exchange may move; None is unlimited."""
    api_key: str = ""
    secret: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    positions: dict[TokenId, int] = field(default_factory=dict)
    """Micro-shares by token."""
    fees: int = 0
    """Micro-dollars paid in fees so far."""
    banned: bool = False
    closed_only: bool = False
    geoblocked: bool = False
    has_key: bool = True
    """Whether an API key was created; without one there is nothing to derive."""

    def __post_init__(self) -> None:
        """Make the credentials: the same address, the same ones."""
        seed = hashlib.sha256(b"api-key/" + self.address.lower().encode()).digest()
        self.api_key = str(uuid.UUID(bytes=seed[:16], version=4))
        self.secret = base64.urlsafe_b64encode(hashlib.sha256(seed).digest()).decode()
        self.passphrase = hashlib.sha256(b"passphrase/" + seed).hexdigest()

    def credentials(self) -> dict[str, object]:
        """The answer to a level 1 request."""
        return {
            "apiKey": self.api_key,
            "secret": self.secret,
            "passphrase": self.passphrase,
        }


class Accounts:
    """Every account, by address and by API key; ``now`` reads Unix ns."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._by_address: dict[str, Account] = {}

    def add(self, account: Account) -> Account:
        """Take in an account. Raises ValueError when it cannot be one."""
        for address in (account.address, account.funder):
            if not ADDRESS.fullmatch(address):
                raise ValueError(f"not an address: {address[:60]}")
        if account.signature_type not in _TYPES:
            raise ValueError(f"no such signature type: {account.signature_type}")
        if account.signature_type == 0 and not same(account.address, account.funder):
            raise ValueError("with signature type 0 the key's own wallet pays")
        if account.address.lower() in self._by_address:
            raise ValueError(f"{account.address} already has an account")
        self._by_address[account.address.lower()] = account
        return account

    def of(self, address: str) -> Account | None:
        """The account of a key's address, if it has one."""
        return self._by_address.get(address.lower())

    def obtained(self, address: str) -> Account:
        """The account of a key's address; a new, empty one when it has none."""
        known = self.of(address)
        if known is not None:
            return known
        fresh = Account(address, address, 0, 0, has_key=False)
        return self.add(fresh)

    def holder(self, api_key: object, secret: object, passphrase: object) -> Account:
        """The account with these credentials. Raises RefusedError."""
        for account in self._by_address.values():
            wanted = (account.api_key, account.secret, account.passphrase)
            if account.has_key and wanted == (api_key, secret, passphrase):
                return account
        raise unauthorized()

    def authenticated(
        self, headers: Mapping[str, str], method: str, path: str, body: bytes
    ) -> Account:
        """Whoever signed this request on level 2. Raises RefusedError (401).

        ``path`` is without its query, ``body`` the exact bytes.
        """
        account = self.of(headers.get("POLY_ADDRESS", ""))
        stamp = headers.get("POLY_TIMESTAMP", "")
        if account is None or not account.has_key or not self.is_timely(stamp):
            raise unauthorized()
        message = f"{stamp}{method}{path}".encode() + body
        key = base64.urlsafe_b64decode(account.secret)
        expected = base64.urlsafe_b64encode(hmac.digest(key, message, "sha256"))
        told = headers.get("POLY_SIGNATURE", "").encode()
        if (
            headers.get("POLY_API_KEY") != account.api_key
            or headers.get("POLY_PASSPHRASE") != account.passphrase
            or not hmac.compare_digest(told, expected)
        ):
            raise unauthorized()
        return account

    def is_timely(self, stamp: str) -> bool:
        """Whether these are Unix seconds close enough to the exchange's own."""
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return False
        return abs(int(stamp) - self._now() / NANOSECONDS) <= _TOLERANCE


def unauthorized() -> RefusedError:
    """What a request with wrong credentials gets."""
    return refuse("Unauthorized/Invalid api key", 401)


def same(one: str, other: str) -> bool:
    """Whether two addresses are one, however their letters are written."""
    return one.lower() == other.lower()


def new_account(
    address: str, funder: str, signature_type: int, balance: str, allowance: str | None
) -> Account:
    """An account from dollars as text. Raises ValueError."""
    limit = None if allowance is None else money.micros(allowance)
    return Account(address, funder, signature_type, money.micros(balance), limit)
