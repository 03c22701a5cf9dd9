"""What a world is made from may be shown; the secrets in it may not."""

from lastsecond.terms import Key


def test_a_key_does_not_show_itself() -> None:
    """Neither the private key nor any part of the API key is in its repr."""
    key = Key(
        private_key="0x" + "5e" * 32, api=("the-key", "the-secret", "the-passphrase")
    )
    shown = f"{key} {key!r} {[key]}"
    for secret in (key.private_key, *key.api):
        assert secret not in shown
    assert "signature_type=0" in shown
