"""The fault matrix as tests: few by default (`make test`), all of them with `-m matrix`."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest

from e2e.faults.case import Case
from e2e.faults.cases import CASES
from e2e.faults.judging import World
from e2e.faults.running import Outcome, run_case

#: Beside each other on 2 cores: acceptance waits most of its time.
AT_ONCE = 3

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("faults")]

PARAMETERS = [pytest.param(case, id=case.name, marks=() if case.quick else pytest.mark.matrix) for case in CASES]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, world: World) -> Iterator[Mapping[str, Future[Outcome]]]:
    """The selected cases, under way together; those that want the node for themselves wait until asked for."""
    chosen: list[Case] = [
        item.callspec.params["case"]  # type: ignore[misc]  # pytest types it as object
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_fault_is_named_by_its_cause.__name__
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            case.name: pool.submit(run_case, case, world, index=CASES.index(case)) for case in chosen if not case.alone
        }


@pytest.mark.parametrize("case", PARAMETERS)
def test_fault_is_named_by_its_cause(case: Case, world: World, outcomes: Mapping[str, Future[Outcome]]) -> None:
    """Acceptance names the fault's cause within its time after the fault is final, and the near miss passes."""
    for each in outcomes.values() if case.alone else ():
        each.exception()
    run = (
        outcomes[case.name].result if case.name in outcomes else partial(run_case, case, world, index=CASES.index(case))
    )
    outcome = run()
    problems = list(outcome.problems())
    assert not problems, "\n".join(problems)
