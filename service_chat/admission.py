"""Who may use the model, and who has to wait or go.

A CPU answers one request at a time, so overload is decided here and is visible: a bounded queue in order of arrival,
told apart by status and counter when it is full, when a deadline passes in it, and when the service is being stopped.
Runs on the event loop and knows nothing of models or HTTP.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from service_chat.errors import QueueFullError, ShuttingDownError, WaitedTooLongError


class Ticket:
    """The right to use one slot, until it is released; releasing twice is harmless."""

    def __init__(self, release: Callable[[], None], queued_s: float) -> None:
        self.queued_s = queued_s
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Hand the slot to the next in the queue."""
        if self._release is not None:
            release, self._release = self._release, None
            release()


class Admission:
    """Slots for the model and a bounded queue before them.

    Args:
        slots: requests that may use the model at the same time.
        max_waiting: requests that may wait; one more is refused.
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, slots: int, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._max_waiting = max_waiting
        self._clock = clock
        self._running = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def closed(self) -> bool:
        """Whether new requests are refused because the service is being stopped."""
        return self._closed

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Requests that use the model."""
        return self._running

    async def enter(self, deadline_s: float) -> Ticket:
        """Wait for a slot until `deadline_s` on the clock.

        Raises:
            QueueFullError: as many wait as may wait.
            WaitedTooLongError: the deadline passed first.
            ShuttingDownError: the service takes no new work.
        """
        if self._closed:
            raise ShuttingDownError("this pod is being stopped and takes no new requests")
        if self._running < self._slots and not self._queue:
            self._start()
            return Ticket(self._leave, queued_s=0.0)
        if len(self._queue) >= self._max_waiting:
            raise QueueFullError(
                f"{self._running} at work and {len(self._queue)} waiting, which is as many as may wait "
                f"(MAX_QUEUE={self._max_waiting})"
            )
        return await self._wait(deadline_s)

    async def _wait(self, deadline_s: float) -> Ticket:
        arrived_s = self._clock()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - arrived_s)):
                await turn
        except TimeoutError:
            self._give_up(turn)
            waited_s = self._clock() - arrived_s
            raise WaitedTooLongError(
                f"the deadline passed after {waited_s:.1f} s in the queue; nothing was computed"
            ) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise
        return Ticket(self._leave, queued_s=self._clock() - arrived_s)

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue, or hand on the slot that came in the same moment."""
        if turn in self._queue:
            self._queue.remove(turn)
        elif turn.done() and not turn.cancelled() and turn.exception() is None:
            self._leave()

    def _start(self) -> None:
        self._running += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._running -= 1
        while self._queue and self._running < self._slots:
            turn = self._queue.popleft()
            if not turn.done():
                self._start()
                turn.set_result(None)
        if self._running == 0:
            self._idle.set()

    def close(self) -> None:
        """Take no new requests; those in the queue and at work go on."""
        self._closed = True

    async def drained(self, timeout_s: float) -> bool:
        """Wait until all work has ended and say so; what still waits after `timeout_s` is refused."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            while self._queue:
                turn = self._queue.popleft()
                if not turn.done():
                    turn.set_exception(ShuttingDownError("this pod was stopped before the request had its turn"))
            return False
        return True
