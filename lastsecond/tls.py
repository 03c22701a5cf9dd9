"""Whom TLS connections trust: one context for all, made once."""

import ssl
from functools import cache


@cache
def trust() -> ssl.SSLContext:
    """The system's certificates; reading them takes some 30 ms, so only once."""
    return ssl.create_default_context()
