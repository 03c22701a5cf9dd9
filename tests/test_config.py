"""Settings: what is accepted, what is refused and how, and where a value comes from."""

import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
import main
from config import Settings
from lastsecond.errors import ConfigError
from lastsecond.market import Asset, Interval

KEY = "0x" + "c0ffee" * 10 + "abcd"
ADDRESS = "0x" + "Ab" * 20
SECRETS = ("PRIVATE_KEY", "CLOB_API_KEY", "CLOB_SECRET", "CLOB_PASSPHRASE")

DECIDING = {
    *("GAMMA_HOST", "CLOB_HOST", "CLOB_WS_URL", "ASSETS", "INTERVALS"),
    *("TRADE_SIZE", "MAX_PRICE", "MIN_PRICE", "TRIGGER_SECONDS", "ARM_SECONDS"),
    *("MIN_TIME_TO_START", "MAX_CLOCK_OFFSET", "MAX_LOOP_LAG"),
    *("ONE_WAY", "TAKER_HOLD"),
}
DEFAULTS: dict[str, object] = {
    "PRIVATE_KEY": "",
    "POLYGON_CHAIN_ID": 137,
    "CLOB_API_KEY": "",
    "CLOB_SECRET": "",
    "CLOB_PASSPHRASE": "",
    "SIGNATURE_TYPE": 0,
    "FUNDER_ADDRESS": "",
    "GAMMA_HOST": "https://gamma-api.polymarket.com",
    "CLOB_HOST": "https://clob.polymarket.com",
    "GEOBLOCK_URL": "https://polymarket.com/api/geoblock",
    "CLOB_WS_URL": "wss://ws-subscriptions-clob.polymarket.com/ws/market",
    "TRADE_SIZE": Decimal(5),
    "MAX_PRICE": Decimal("0.99"),
    "MIN_PRICE": Decimal("0.50"),
    "TRIGGER_SECONDS": 1.0,
    "POLL_INTERVAL": 90,
    "TRADER_START_BUFFER": 180,
    "MIN_TIME_TO_START": 30,
    "MAX_MINUTES_AHEAD": 20,
    "WATCH_AFTER": 30,
    "ARM_SECONDS": 10,
    "MAX_ORDER": Decimal(25),
    "MAX_DAILY_LOSS": Decimal(50),
    "MAX_OPEN_EXPOSURE": Decimal(100),
    "MAX_ORDERS_PER_DAY": 100,
    "MAX_REJECTIONS": 3,
    "MAX_UNCERTAIN": 2,
    "MAX_CLOCK_OFFSET": 5,
    "MAX_LOOP_LAG": 0.25,
    "PAPER_BALANCE": Decimal(1000),
    "ONE_WAY": 0.1,
    "TAKER_HOLD": 0.15,
    "SETTLE_TIMEOUT": 300,
    "ASSETS": (Asset.BTC, Asset.ETH),
    "INTERVALS": (Interval.FIVE_MINUTES, Interval.FIFTEEN_MINUTES),
    "LOG_DIR": "log",
    "DATA_DIR": "data",
}

ACCEPTED: list[tuple[str, str, object]] = [
    ("PRIVATE_KEY", KEY, KEY),
    ("PRIVATE_KEY", KEY.removeprefix("0x").upper(), KEY.removeprefix("0x").upper()),
    ("POLYGON_CHAIN_ID", "137", 137),
    ("CLOB_API_KEY", "9180014b-33c8", "9180014b-33c8"),
    ("CLOB_SECRET", "c2VjcmV0_-=", "c2VjcmV0_-="),
    ("CLOB_PASSPHRASE", "pa#1'\"$s", "pa#1'\"$s"),
    ("SIGNATURE_TYPE", "3", 3),
    ("FUNDER_ADDRESS", ADDRESS, ADDRESS),
    ("GAMMA_HOST", "http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
    ("GAMMA_HOST", "https://gamma.example/v2", "https://gamma.example/v2"),
    ("CLOB_HOST", "http://localhost:9", "http://localhost:9"),
    ("CLOB_HOST", "http://[::1]:9", "http://[::1]:9"),
    ("GEOBLOCK_URL", "http://127.0.0.1:9/geoblock", "http://127.0.0.1:9/geoblock"),
    ("GEOBLOCK_URL", "https://elsewhere.example/", "https://elsewhere.example"),
    ("CLOB_WS_URL", "ws://localhost:9/ws/market", "ws://localhost:9/ws/market"),
    ("CLOB_WS_URL", "wss://feed.example/ws", "wss://feed.example/ws"),
    ("TRADE_SIZE", "1", Decimal(1)),
    ("TRADE_SIZE", "12.34", Decimal("12.34")),
    ("TRADE_SIZE", "25", Decimal(25)),
    ("TRADE_SIZE", "  7.5 ", Decimal("7.5")),
    ("MAX_PRICE", "0.999", Decimal("0.999")),
    ("MAX_PRICE", ".9", Decimal("0.9")),
    ("MIN_PRICE", "0", Decimal(0)),
    ("TRIGGER_SECONDS", "0.05", 0.05),
    ("TRIGGER_SECONDS", "2.", 2.0),
    ("POLL_INTERVAL", "1140", 1140.0),
    ("TRADER_START_BUFFER", "10", 10.0),
    ("MIN_TIME_TO_START", "2", 2.0),
    ("MAX_MINUTES_AHEAD", "60", 60.0),
    ("WATCH_AFTER", "0", 0.0),
    ("WATCH_AFTER", "120", 120.0),
    ("PAPER_BALANCE", "1", Decimal(1)),
    ("ONE_WAY", "0", 0.0),
    ("ONE_WAY", "0.25", 0.25),
    ("TAKER_HOLD", "5", 5.0),
    ("SETTLE_TIMEOUT", "0", 0.0),
    ("ARM_SECONDS", "2", 2.0),
    ("ARM_SECONDS", "60", 60.0),
    ("MAX_ORDER", "10000", Decimal(10_000)),
    ("MAX_ORDER", "5.5", Decimal("5.5")),
    ("MAX_DAILY_LOSS", "1", Decimal(1)),
    ("MAX_DAILY_LOSS", "100000", Decimal(100_000)),
    ("MAX_OPEN_EXPOSURE", "1", Decimal(1)),
    ("MAX_OPEN_EXPOSURE", "99999.999999", Decimal("99999.999999")),
    ("MAX_ORDERS_PER_DAY", "1", 1),
    ("MAX_ORDERS_PER_DAY", "10000", 10_000),
    ("MAX_REJECTIONS", "1", 1),
    ("MAX_REJECTIONS", "100", 100),
    ("MAX_UNCERTAIN", "1", 1),
    ("MAX_UNCERTAIN", "100", 100),
    ("MAX_CLOCK_OFFSET", "0.1", 0.1),
    ("MAX_CLOCK_OFFSET", "60", 60.0),
    ("MAX_LOOP_LAG", "0.005", 0.005),
    ("MAX_LOOP_LAG", "1", 1.0),
    ("ASSETS", "eth", (Asset.ETH,)),
    ("ASSETS", "ETH, btc,eth", (Asset.ETH, Asset.BTC)),
    ("INTERVALS", "15m", (Interval.FIFTEEN_MINUTES,)),
    ("LOG_DIR", "/var/log/last second", "/var/log/last second"),
    ("DATA_DIR", "../kept", "../kept"),
]

NO_NUMBERS = (
    *("nan", "sNaN", "inf", "-inf", "Infinity", "1e5", "1e1", "1E+1", "1e-1"),
    *(
        "-1",
        "-0",
        "+5",
        "5,0",
        "1_0",
        "0x5",
        "½",
        "٣",
        "five",
        "5$",
        ".",
        "1.2.3",
        "5 5",
    ),
    *("9" * 5_000, "0." + "0" * 5_000),
)
NUMBERS = {
    "TRADE_SIZE": ("0.99", "10000.01", "5.001"),
    "MAX_PRICE": ("0.009", "1", "0.9990001", "0.9000001"),
    "MIN_PRICE": ("0.991", "1", "0.5000001"),
    "TRIGGER_SECONDS": ("0", "0.049", "60.1", "1.0000001"),
    "POLL_INTERVAL": ("0", "4.9", "3601"),
    "TRADER_START_BUFFER": ("9.9", "901"),
    "MIN_TIME_TO_START": ("1.9", "601"),
    "MAX_MINUTES_AHEAD": ("0.9", "61"),
    "WATCH_AFTER": ("-1", "121"),
    "PAPER_BALANCE": ("0.5", "1000001", "all"),
    "ONE_WAY": ("-1", "5.1", "fast"),
    "TAKER_HOLD": ("-0.1", "6"),
    "SETTLE_TIMEOUT": ("-1", "3601"),
    "ARM_SECONDS": ("1.9", "60.1", "0"),
    "MAX_ORDER": ("0.99", "10000.01"),
    "MAX_DAILY_LOSS": ("0", "0.99", "100000.01"),
    "MAX_OPEN_EXPOSURE": ("0", "0.99", "100000.01"),
    "MAX_ORDERS_PER_DAY": ("0", "10001", "1.0", "5.", ".5"),
    "MAX_REJECTIONS": ("0", "101", "1.0", "3."),
    "MAX_UNCERTAIN": ("0", "101", "1.0", "2."),
    "MAX_CLOCK_OFFSET": ("0", "0.09", "60.1"),
    "MAX_LOOP_LAG": ("0", "0.0049", "1.1"),
}
WEB = ("GAMMA_HOST", "CLOB_HOST", "GEOBLOCK_URL")
NO_URLS = (
    "gamma-api.polymarket.com",
    "//gamma-api.polymarket.com",
    "ftp://127.0.0.1",
    "https://",
    "https:///path",
    "https://host:0",
    "https://host:65536",
    "https://host:http",
    "https://[::1",
    "https://user:word@host",
    "https://:word@host",
    "https://host?",
    "https://host/?q=1",
    "https://host/#top",
    "https://ho st",
    "https://ho\tst",
    "https://host\\@127.0.0.1",
    "https://hôst",
    "http://gamma-api.polymarket.com",
    "http://127.0.0.1@evil.example",
    "http://localhost.evil.example",
    "http://192.168.0.2:80",
    "http://0.0.0.0",
)
REFUSED: list[tuple[str, str]] = [
    *((name, text) for name in NUMBERS for text in (*NUMBERS[name], *NO_NUMBERS)),
    *((name, text) for name in WEB for text in NO_URLS),
    *(("CLOB_WS_URL", text.replace("http", "ws", 1)) for text in NO_URLS),
    ("CLOB_WS_URL", "https://feed.example"),
    *((name, "wss://gamma.example") for name in WEB),
    *(("POLYGON_CHAIN_ID", text) for text in ("1", "80002", "0137", "137.0", "x")),
    *(("SIGNATURE_TYPE", text) for text in ("4", "-1", "00", "1.0", "SAFE", "٢")),
    *(
        ("FUNDER_ADDRESS", text)
        for text in (ADDRESS[2:], ADDRESS + "0", "0x" + "g" * 40)
    ),
    *(
        ("ASSETS", text)
        for text in ("sol", "btc,", ",", "btc;eth", "btc,xrp", "btc eth")
    ),
    *(("INTERVALS", text) for text in ("1h", "5", "5m,", "4h,5m", "15 m")),
    ("LOG_DIR", "log\0"),
    ("DATA_DIR", "\0"),
    *(("PRIVATE_KEY", text) for text in (KEY[:-1], KEY + "0", KEY[:-1] + "g", "0x0x")),
    *(
        (name, text)
        for name in SECRETS[1:]
        for text in ("two words", "7 chars", "seven77", "pässword", "tab\tinside")
    ),
]

MORE = "a second more than TRIGGER_SECONDS"
LOST = (
    "POLL_INTERVAL and MIN_TIME_TO_START together, and the 30 s that a poll may take, "
    "would lose markets"
)


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in config.variables():
        monkeypatch.delenv(name, raising=False)


def value_of(settings: Settings, name: str) -> object:
    return getattr(settings, name.lower())


def refusal(mapping: dict[str, str | None]) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(mapping)
    return str(caught.value)


@pytest.mark.parametrize("name", DEFAULTS)
@pytest.mark.parametrize("text", [None, "", "  ", "\n"])
def test_an_empty_value_means_the_default(name: str, text: str | None) -> None:
    """Whatever is absent, empty or blank has its documented default."""
    assert value_of(config.load({name: text}), name) == DEFAULTS[name]


def test_every_variable_has_a_default_here() -> None:
    """The table above knows every variable, in the documented order."""
    assert list(config.variables()) == list(DEFAULTS)
    assert {name: value_of(Settings(), name) for name in DEFAULTS} == DEFAULTS


def test_every_variable_is_tried_with_good_and_bad_values() -> None:
    """No variable escapes the tables of accepted and refused values."""
    assert {name for name, _, _ in ACCEPTED} == set(DEFAULTS)
    assert {name for name, _ in REFUSED} == set(DEFAULTS)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_written_out_is_the_default(name: str) -> None:
    """The text that documents a default reads back as that default."""
    text = config.default_text(config.variables()[name])
    assert value_of(config.load({name: text}), name) == DEFAULTS[name]


@pytest.mark.parametrize(("name", "text", "value"), ACCEPTED)
def test_accepts(name: str, text: str, value: object) -> None:
    """An allowed value is read into its type, and moves nothing else."""
    settings = config.load({name: text})
    assert value_of(settings, name) == value
    assert type(value_of(settings, name)) is type(value)
    others = [other for other in DEFAULTS if other != name]
    assert [value_of(settings, other) for other in others] == [
        DEFAULTS[other] for other in others
    ]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_refuses(name: str, text: str) -> None:
    """A wrong value is one line: variable, value (no secret's) and what is allowed."""
    line = refusal({name: text})
    rule = config.rule_of(config.variables()[name])
    assert line.splitlines() == [line]
    assert line.isprintable()
    assert line.startswith(f"{name}: ")
    assert line.endswith(f" is not {rule.allowed}")
    assert (repr(text) in line) is not rule.secret


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("TRADE_SIZE", "5.001", "a number from 1 to 10000, at most 2 decimals"),
        ("MAX_PRICE", "0.9000001", "a number from 0.01 to 0.999, at most 6 decimals"),
        ("SIGNATURE_TYPE", "4", "0 or 1 or 2 or 3"),
        ("ASSETS", "sol", "some of btc,eth"),
        ("INTERVALS", "1h", "some of 5m,15m"),
        ("FUNDER_ADDRESS", "0x12", "0x and 40 hex digits"),
        ("CLOB_WS_URL", "ws://a.example", "wss:// URL (ws:// on this machine only)"),
        ("PRIVATE_KEY", "0x12", "64 hex digits"),
        ("CLOB_SECRET", "short", "text of 8 characters or more"),
        ("MAX_ORDERS_PER_DAY", "1.5", "a whole number from 1 to 10000"),
    ],
)
def test_a_refusal_says_what_is_allowed(name: str, text: str, told: str) -> None:
    """The bounds, choices or form are in the line, in words."""
    assert told in refusal({name: text})


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_shown(name: str) -> None:
    """Neither a refusal nor the settings' own text holds a secret's value."""
    good = KEY if name == "PRIVATE_KEY" else "hush-hush"
    bad = good + " oops"
    assert "oops" not in refusal({name: bad})
    assert good not in refusal({name: bad})
    settings = config.load({name: good})
    assert good not in repr(settings)
    assert good not in str(settings)
    assert good not in f"{settings}"


def test_knows_its_secrets() -> None:
    """Only those that are set, and all of them, are listed for the logs to hide."""
    assert config.load({"FUNDER_ADDRESS": ADDRESS}).secrets() == []
    given_secrets = dict.fromkeys(SECRETS, KEY)
    assert config.load(given_secrets).secrets() == [KEY] * len(SECRETS)


@pytest.mark.parametrize(("name", "text", "value"), ACCEPTED)
def test_the_fingerprint_tells_settings_apart(
    name: str, text: str, value: object
) -> None:
    """It differs with every setting that decides a trade, and with no other."""
    same = config.load({name: text}).fingerprint() == Settings().fingerprint()
    if isinstance(value, tuple):  # its order decides nothing
        value = tuple(sorted(value))
        assert same is (value == tuple(sorted(Settings.__dict__[name.lower()])))
    else:
        assert same is (name not in DECIDING or value == DEFAULTS[name])


def test_the_terms_are_the_settings_in_units() -> None:
    """Money becomes micros, time nanoseconds; credentials and limits come along."""
    credentials = ("9180014b-33c8", "c2VjcmV0_-=", "passphrase")
    terms = config.load(
        {
            **dict(zip(SECRETS[1:], credentials, strict=True)),
            "PRIVATE_KEY": KEY,
            "TRIGGER_SECONDS": "0.3",
            "MAX_CLOCK_OFFSET": "0.7",
            "MAX_LOOP_LAG": "0.1",
            "MAX_ORDER": "7.25",
            "MAX_OPEN_EXPOSURE": "12.5",
        }
    ).terms()
    assert (terms.trigger, terms.clock_offset, terms.loop_lag) == (
        300_000_000,
        700_000_000,
        100_000_000,
    )
    assert terms.limits.max_order == 7_250_000
    assert terms.limits.max_open_exposure == 12_500_000
    assert terms.limits.max_daily_loss == 50_000_000
    assert terms.key.api == credentials
    assert not any(secret in repr(terms) for secret in (KEY, *credentials))


def test_settings_are_frozen() -> None:
    """Nothing changes a setting after the start."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().trade_size = Decimal(6)  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            {"MIN_PRICE": "0.99"},
            "MIN_PRICE: 0.99 is not below MAX_PRICE, which is 0.99",
        ),
        (
            {"MAX_PRICE": "0.4"},
            "MIN_PRICE: 0.50 is not below MAX_PRICE, which is 0.4",
        ),
        (
            {"MIN_TIME_TO_START": "2", "TRIGGER_SECONDS": "1.5"},
            f"MIN_TIME_TO_START: 2 is not at least 2.5, {MORE}",
        ),
        (
            {"TRADER_START_BUFFER": "10", "TRIGGER_SECONDS": "10"},
            f"TRADER_START_BUFFER: 10 is not at least 11, {MORE}",
        ),
        (
            {"TRADE_SIZE": "25.01"},
            "TRADE_SIZE: 25.01 is not at most MAX_ORDER, which is 25",
        ),
        (
            {"MAX_ORDER": "4.99"},
            "TRADE_SIZE: 5 is not at most MAX_ORDER, which is 4.99",
        ),
        (
            {"POLL_INTERVAL": "1141"},
            f"MAX_MINUTES_AHEAD: 20 is not at least 20.0167: {LOST}",
        ),
        (
            {"MAX_MINUTES_AHEAD": "2", "MIN_TIME_TO_START": "60"},
            f"MAX_MINUTES_AHEAD: 2 is not at least 3: {LOST}",
        ),
    ],
)
def test_refuses_values_that_contradict_each_other(
    mapping: dict[str, str | None], line: str
) -> None:
    """Two values that are fine alone and wrong together are refused in one line."""
    assert refusal(mapping) == line


def test_accepts_values_that_just_agree() -> None:
    """The cross checks stop nothing at their own limits."""
    settings = config.load(
        {
            "MIN_PRICE": "0.98",
            "MAX_PRICE": "0.981",
            "TRIGGER_SECONDS": "9",
            "TRADER_START_BUFFER": "10",
            "MIN_TIME_TO_START": "10",
            "TRADE_SIZE": "10000",
            "MAX_ORDER": "10000",
            "POLL_INTERVAL": "20",
            "MAX_MINUTES_AHEAD": "1",
        }
    )
    assert settings.min_price < settings.max_price
    assert settings.trade_size == settings.max_order


@given(st.sampled_from(sorted(DEFAULTS)), st.text())
def test_any_text_is_settings_or_one_error(name: str, text: str) -> None:
    """Whatever stands in a variable, nothing but ConfigError comes of it."""
    try:
        outcome = repr(config.load({name: text}))
    except ConfigError as error:
        outcome = str(error)
    assert outcome.isprintable()


@given(
    st.sampled_from(sorted(NUMBERS)),
    st.from_regex(r"[+-]?[0-9_]{0,8}\.?[0-9]{0,9}([eE][+-]?[0-9]{1,9})?"),
)
def test_any_number_is_settings_or_one_error(name: str, text: str) -> None:
    """However a number is spelled, it is a plain decimal in bounds or ConfigError."""
    try:
        settings = config.load({name: text})
    except ConfigError:
        return
    if text.strip():
        assert set(text.strip()) <= set("0123456789.")
        assert str(value_of(settings, name)).replace(".", "").isdigit()


@given(
    st.sampled_from([*WEB, "CLOB_WS_URL"]),
    st.from_regex(r"(http|ws)s?://[\x00-\xff]{1,20}"),
)
def test_any_url_is_settings_or_one_error(name: str, text: str) -> None:
    """However a URL is spelled, it is printable, plain only on loopback, or refused."""
    try:
        url = str(value_of(config.load({name: text}), name))
    except ConfigError:
        return
    assert url.isascii()
    assert url.isprintable()
    if not url.startswith(("https://", "wss://")):
        assert url.split("//")[1].startswith(("localhost", "127.0.0.1", "[::1]"))


def test_names_that_are_no_variables_are_ignored() -> None:
    """The environment holds much that is not ours."""
    assert config.load({"PATH": "/bin", "trade_size": "9"}) == Settings()


def test_points_a_stranger_to_the_nearest_variable() -> None:
    """A misspelled name is told with the one it resembles; a far one without."""
    assert config.strangers(["TRADE_SIZ", "TRADE_SIZE", "EDITOR"]) == [
        "TRADE_SIZ is not a setting; did you mean TRADE_SIZE?",
        "EDITOR is not a setting",
    ]


# -- .env, the environment, the command line --


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_without_any_source_all_is_default(dotenv: Path) -> None:
    """No .env is no fault, and no key is needed."""
    assert main.read_settings({}, dotenv) == Settings()


@pytest.mark.parametrize(
    ("in_file", "in_environment", "on_command_line", "size"),
    [
        ("6", None, None, 6),
        ("6", "7", None, 7),
        ("6", "7", "8", 8),
        ("6", None, "8", 8),
        (None, "7", "8", 8),
        ("6", "", None, 5),
        ("wrong", "7", None, 7),
    ],
)
def test_the_command_line_beats_the_environment_beats_the_file(
    dotenv: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_file: str | None,
    in_environment: str | None,
    on_command_line: str | None,
    size: int,
) -> None:
    """Later sources win, and what they overrule is not even read."""
    if in_file is not None:
        dotenv.write_text(f"TRADE_SIZE={in_file}\n")
    if in_environment is not None:
        monkeypatch.setenv("TRADE_SIZE", in_environment)
    settings = main.read_settings({"TRADE_SIZE": on_command_line}, dotenv)
    assert settings.trade_size == size


def test_reads_the_usual_spellings_of_a_dotenv_file(dotenv: Path) -> None:
    """Comments, quotes and export are understood; a dollar sign is only a dollar."""
    dotenv.write_text(
        "# a comment\nexport TRADE_SIZE=6 # too\nLOG_DIR='my log'\n"
        'CLOB_PASSPHRASE="pa${PATH}ss"\nMAX_PRICE\nMIN_PRICE=\n'
    )
    settings = main.read_settings({}, dotenv)
    assert settings.trade_size == 6
    assert settings.log_dir == "my log"
    assert settings.clob_passphrase == "pa${PATH}ss"
    assert (settings.max_price, settings.min_price) == (Decimal("0.99"), Decimal("0.5"))


def test_a_stranger_in_the_file_is_told_and_passed_over(
    dotenv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelled name warns in one line and stops nothing."""
    dotenv.write_text("TRADE_SIZES=6\n")
    assert main.read_settings({}, dotenv) == Settings()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("TRADE_SIZES is not a setting; did you mean TRADE_SIZE?")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_warns_of_a_key_that_others_may_read(
    dotenv: Path, capsys: pytest.CaptureFixture[str], mode: int
) -> None:
    """A key in a file open to others is one warning, without the key."""
    dotenv.write_text(f"PRIVATE_KEY={KEY}\n")
    dotenv.chmod(mode)
    main.read_settings({}, dotenv)
    (line,) = capsys.readouterr().err.splitlines()
    assert "chmod 600" in line
    assert KEY not in line


@pytest.mark.parametrize(
    ("content", "mode"),
    [(f"PRIVATE_KEY={KEY}\n", 0o600), ("PRIVATE_KEY=\nTRADE_SIZE=6\n", 0o644)],
)
def test_is_silent_about_a_safe_file(
    dotenv: Path, capsys: pytest.CaptureFixture[str], content: str, mode: int
) -> None:
    """A private file, or an open one without a key, is nobody's worry."""
    dotenv.write_text(content)
    dotenv.chmod(mode)
    main.read_settings({}, dotenv)
    assert capsys.readouterr().err == ""


def test_a_file_that_is_no_text_is_one_line(dotenv: Path) -> None:
    """A .env that does not decode is refused by name, not with a traceback."""
    dotenv.write_bytes(b"TRADE_SIZE=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read") as caught:
        main.read_settings({}, dotenv)
    assert str(caught.value).isprintable()


def test_a_folder_of_that_name_is_passed_over(dotenv: Path) -> None:
    """A folder called .env, as some tools make, holds no settings."""
    dotenv.mkdir()
    assert main.read_settings({}, dotenv) == Settings()


def test_the_fingerprint_goes_by_values_not_by_spelling() -> None:
    """Every default written out, as in .env.example, and other spellings: the same."""
    written = {
        name: config.default_text(spec) for name, spec in config.variables().items()
    }
    assert config.load(written).fingerprint() == Settings().fingerprint()
    spelled = {
        "TRADE_SIZE": "5.00",
        "MAX_PRICE": ".990",
        "ARM_SECONDS": "10.0",
        "ASSETS": "eth,btc",
        "INTERVALS": "15m, 5m",
    }
    assert config.load(spelled).fingerprint() == Settings().fingerprint()
