"""SIGINT, SIGTERM and SIGHUP: the first stops the work, a second the process."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

logger = logging.getLogger(__name__)


async def until_signalled(work: Coroutine[None, None, int]) -> int:
    """The work's exit status; 0 when a signal stopped it.

    A second signal is left to the system: it ends the process at once.
    """
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()

    def first(cancel: Callable[[], bool]) -> None:
        for number in _STOPPING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        cancel()

    for number in _STOPPING:
        loop.add_signal_handler(number, first, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        logger.info("STOPPED by a signal")
        return 0
