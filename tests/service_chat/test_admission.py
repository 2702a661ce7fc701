"""The queue: order, bounds, deadlines, the end."""

import asyncio

import pytest

from service_chat.admission import Admission
from service_chat.errors import QueueFullError, ShuttingDownError, WaitedTooLongError

FAR = 1e9


def test_enter_free_slot_is_immediate() -> None:
    """Nobody waits while there is a slot."""

    async def run() -> None:
        admission = Admission(slots=2, max_waiting=0)
        first, second = await admission.enter(FAR), await admission.enter(FAR)
        assert (first.queued_s, second.queued_s, admission.running) == (0.0, 0.0, 2)

    asyncio.run(run())


def test_enter_turns_come_in_order_of_arrival() -> None:
    """A slot goes to who has waited longest, also when somebody new comes in the same moment."""

    async def run() -> None:
        admission, order = Admission(slots=1, max_waiting=5), list[int]()
        ticket = await admission.enter(FAR)

        async def visit(number: int) -> None:
            mine = await admission.enter(FAR)
            order.append(number)
            await asyncio.sleep(0)
            mine.release()

        visits = [asyncio.create_task(visit(number)) for number in range(3)]
        await asyncio.sleep(0)
        ticket.release()
        visits.append(asyncio.create_task(visit(3)))
        await asyncio.gather(*visits)
        assert order == [0, 1, 2, 3]
        assert (admission.running, admission.waiting) == (0, 0)

    asyncio.run(run())


def test_enter_full_queue_is_refused_with_its_figures() -> None:
    """One more than may wait is refused at once."""

    async def run() -> None:
        admission = Admission(slots=1, max_waiting=1)
        await admission.enter(FAR)
        waiting = asyncio.create_task(admission.enter(FAR))
        await asyncio.sleep(0)
        with pytest.raises(
            QueueFullError, match=r"1 at work and 1 waiting, which is as many as may wait \(MAX_QUEUE=1\)"
        ):
            await admission.enter(FAR)
        waiting.cancel()

    asyncio.run(run())


def test_enter_deadline_passes_in_the_queue_leaves_it() -> None:
    """Who gives up leaves the queue; the next in line is not held up."""

    async def run() -> None:
        now_s = 5.0
        admission = Admission(slots=1, max_waiting=2, clock=lambda: now_s)
        ticket = await admission.enter(FAR)
        with pytest.raises(WaitedTooLongError, match=r"the deadline passed after 0\.0 s in the queue"):
            await admission.enter(now_s)
        assert admission.waiting == 0
        ticket.release()
        assert admission.running == 0

    asyncio.run(run())


def test_enter_cancelled_while_the_slot_arrives_hands_it_on() -> None:
    """A caller that hangs up in the moment of its turn does not take the slot with it."""

    async def run() -> None:
        admission = Admission(slots=1, max_waiting=1)
        ticket = await admission.enter(FAR)
        waiting = asyncio.create_task(admission.enter(FAR))
        await asyncio.sleep(0)
        ticket.release()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert admission.running == 0
        assert (await admission.enter(FAR)).queued_s == 0.0

    asyncio.run(run())


def test_release_twice_frees_one_slot() -> None:
    """A ticket is worth one slot."""

    async def run() -> None:
        admission = Admission(slots=2, max_waiting=0)
        ticket = await admission.enter(FAR)
        await admission.enter(FAR)
        ticket.release()
        ticket.release()
        assert admission.running == 1

    asyncio.run(run())


def test_close_refuses_new_work_and_lets_the_accepted_finish() -> None:
    """After close nobody enters; who waits already still gets a turn."""

    async def run() -> None:
        admission = Admission(slots=1, max_waiting=1)
        ticket = await admission.enter(FAR)
        waiting = asyncio.create_task(admission.enter(FAR))
        await asyncio.sleep(0)
        admission.close()
        with pytest.raises(ShuttingDownError):
            await admission.enter(FAR)
        ticket.release()
        (await waiting).release()
        assert await admission.drained(timeout_s=1)

    asyncio.run(run())


def test_drained_out_of_time_refuses_who_still_waits() -> None:
    """The drain has a deadline: who had no turn by then is told so, who is at work is not counted as finished."""

    async def run() -> None:
        admission = Admission(slots=1, max_waiting=1)
        await admission.enter(FAR)
        waiting = asyncio.create_task(admission.enter(FAR))
        await asyncio.sleep(0)
        assert not await admission.drained(timeout_s=0)
        with pytest.raises(ShuttingDownError, match="stopped before the request had its turn"):
            await waiting

    asyncio.run(run())
