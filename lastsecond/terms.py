"""What a world is made from: hosts, a key, limits; units, no text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from lastsecond.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """Where an exchange is."""

    gamma: str
    clob: str
    clob_ws: str
    geoblock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Whose orders a live world sends; its API key is derived when it is not given."""

    private_key: str = field(default="", repr=False)
    chain_id: int = 137
    signature_type: int = 0
    funder: str = ""
    api: tuple[str, str, str] = field(default=("", "", ""), repr=False)
    """The API key, its secret and its passphrase; empty texts where not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """How a paper order fares: ns there, ns that it is held back, micros to begin with.

    ``one_way`` holds until it is measured.
    """

    one_way: int
    hold: int
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a world is made from. Times are ns, money is micros."""

    hosts: Hosts
    key: Key
    limits: Limits
    paper: Paper
    spend: int
    """What one order spends."""
    trigger: int
    """How long before a close the trigger is."""
    clock_offset: int
    """How far the machine's clock may be off the exchange's."""
    loop_lag: int
    """How late the event loop may run."""
    folder: PurePath
    """Where the ledger, its lock and the HALT file are."""
    fingerprint: str
    """A hash of the settings that decide."""
    settings: Mapping[str, str]
    """Those settings by variable, without secrets, for the ledger."""

    def account_words(self) -> str:
        """Whose money live orders would spend, for a reader; no secret."""
        own = "the address of PRIVATE_KEY" if self.key.private_key else "no account yet"
        return self.key.funder or own
