"""Why a market is not bought."""

from enum import StrEnum


class SkipReason(StrEnum):
    """Why a market was not bought: the words after ``reason=`` in a DECISION."""

    TOO_LATE = "too_late"  # found with less than MIN_TIME_TO_START left
    NOT_CONNECTED = "not_connected"  # no socket could be opened, or none is open
    NO_BOOK = "no_book"  # a token's book never came
    STALE_BOOK = "stale_book"  # the last word on it is too old
    DOUBTFUL_BOOK = "doubtful_book"  # it contradicts the exchange's own best prices
    CROSSED_BOOK = "crossed_book"  # its best bid is not below its best ask
    HALF_UPDATED = "half_updated"  # one token's frame has come, the other's not
    SOCKETS_DISAGREE = "sockets_disagree"  # the same moment, two different books
    LOST_GROUND = "lost_ground"  # what is left is older than what was once known
    LATE_FEED = "late_feed"  # the newest word came a second late over both sockets
    NO_ASK = "no_ask"  # nobody sells one of the outcomes: no favourite, or none to buy
    NO_FAVOURITE = "no_favourite"  # equal asks, or none above MIN_PRICE
    ABOVE_CAP = "above_cap"  # the favourite's best ask exceeds MAX_PRICE
    NOT_ENOUGH_DEPTH = "not_enough_depth"  # its asks up to there sell less than that
    NOT_ARMED = "not_armed"  # its orders could not be made ready; NOT_ARMED says why
    HALTED = "halted"  # a cap was reached, or a person halted trading
    CLOCK_UNKNOWN = "clock_unknown"  # the exchange's time could not be learnt
    CLOCK_OFF = "clock_off"  # this machine's clock is too far from the exchange's
    LOOP_LAG = "loop_lag"  # this program ran too late in the last seconds
    KNOWN = "known"  # an earlier run made orders for this market: never again
    STOPPED = "stopped"  # the program was told to stop
    WOKE_LATE = "woke_late"  # this machine came to the trigger only after the close
    FAILED = "failed"  # a fault of this program; the log has it
