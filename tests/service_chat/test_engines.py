"""One contract for every engine that needs no model file; e2e holds llama.cpp against the same one."""

import pytest

from service_chat.engines.mock import MockEngine
from service_chat.engines.protocol import Engine, Limit
from tests.service_chat import engine_contract
from tests.service_chat.fakes import FakeEngine


@pytest.fixture(params=[MockEngine, FakeEngine])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    made: Engine = request.param()
    return made


@pytest.mark.parametrize("clause", engine_contract.CLAUSES, ids=lambda clause: clause.__name__)
def test_engine_keeps_the_contract(engine: Engine, clause: engine_contract.Clause) -> None:
    """Each clause of the contract holds for each engine."""
    clause(engine)


def test_limit_share_of_a_passed_limit_has_passed() -> None:
    """There is no time left to give away."""
    assert Limit(1.0, clock=lambda: 2.0).share(0.5).passed()


def test_limit_cancelled_has_passed_whatever_the_time() -> None:
    """A caller that hung up ends the generation before its deadline."""
    limit = Limit(100.0, clock=lambda: 0.0)
    assert limit.remaining_s() == 100.0
    limit.cancelled.set()
    assert limit.remaining_s() == 0.0
