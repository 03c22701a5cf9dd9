"""What runs beside everything else for as long as it is entered."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self


class Background:
    """A task that starts on entering and is cancelled, and awaited, on leaving."""

    async def run(self) -> None:
        """What it does, until cancelled."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name=type(self).__name__)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
