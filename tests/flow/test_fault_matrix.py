"""Everything that can go wrong with a request, at every stage, and what is to come of it.

A `Fault` strikes the write or the operation it begins; `At` spoils the answers to one route, always or so many times.
Whatever happens: nobody is said to be reset who was not, and what is not known is said not to be known.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from batchreset.auth.token import GivenToken
from batchreset.engine import progress
from batchreset.errors import BatchResetError, DirectoryError, SignInError
from batchreset.graph.directory import Directory, LookUpRefusedError
from batchreset.graph.roles import ACTIVE, assigned
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.model import Method, Outcome, Reason
from batchreset.policy.pace import Pacer
from batchreset.rehearsal.behaviour import UNHINDERED, Fault, Route
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant
from batchreset.rehearsal.troubles import Trouble
from batchreset.secret import Secret
from tests.support.cases import At, Case, account, cause
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, object_id, upn, user, users

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

RESET, FAILED, UNRESOLVED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.UNRESOLVED

#: The service is away, or something before it answers.
AWAY = (Trouble.LOST, Trouble.UNAVAILABLE, Trouble.SERVER_ERROR)
#: A success by its status that says nothing.
UNREADABLE = (
    *(Trouble.CUT_OFF, Trouble.TOO_LARGE, Trouble.EMPTY, Trouble.A_LIST),
    *(Trouble.NO_FIELDS, Trouble.WRONG_TYPES, Trouble.HALF_A_LETTER),
)
REFUSED = (Trouble.DENIED, Trouble.GONE)

#: What happens to the write itself comes to the same by either route, where the password is held in the cloud.
WRITE = [
    # The service turns the request away, and may think better of it.
    Case((Fault.THROTTLED,), RESET, None, 4),
    Case((Fault.UNAVAILABLE,), RESET, None, 3),
    Case((Fault.CONCURRENCY,), RESET, None, 2),
    # The service turns the password away: two stronger ones are tried.
    Case((Fault.REJECTED,), FAILED, Reason.PASSWORD_REJECTED, 3),
    # The service turns the one who asks away: once is enough.
    Case((Fault.FORBIDDEN,), FAILED, Reason.FORBIDDEN, 1),
    # The answer is lost, or says nothing of what was done: sent again, with the same password.
    Case((Fault.LOST_BEFORE,), RESET, None, 2),
    Case((Fault.LOST_AFTER,), RESET, None, 2),
    Case((Fault.SERVER_ERROR,), RESET, None, 2),
    Case((Fault.TIMEOUT_AFTER,), RESET, None, 2),
    Case((Fault.HTML_PAGE,), RESET, None, 2),
    Case((Fault.SLOW_ANSWER,), RESET, None, 2),
    # Three times in doubt is enough: from then on the directory is asked.
    Case((Fault.LOST_BEFORE, Fault.SERVER_ERROR, Fault.HTML_PAGE), UNRESOLVED, Reason.ANSWER_LOST, 3),
    # What is refused after a doubt is not known to have failed: the first send may have been applied, and may not.
    Case((Fault.LOST_AFTER, Fault.REJECTED), RESET, None, 2),
    Case((Fault.LOST_BEFORE, Fault.REJECTED), UNRESOLVED, Reason.ANSWER_LOST, 2),
]

#: Held in the cloud: the same password may be sent again, so nearly everything comes to a good end.
CLOUD = [
    *WRITE,
    Case((Fault.LOST_BEFORE, Fault.SERVER_ERROR, Fault.LOST_AFTER), RESET, None, 3),
    # A throttled answer proves something of its own send only.
    Case((Fault.LOST_AFTER, Fault.THROTTLED), RESET, None, 5),
    # The operation tells its end, sooner or later.
    Case((Fault.OPERATION_SLOW,), RESET, None, 1),
    Case((Fault.OPERATION_LATE,), RESET, None, 1),
    Case((Fault.OPERATION_ODD,), RESET, None, 1),
    Case((Fault.OPERATION_FAILS,), FAILED, Reason.OPERATION_FAILED, 1),
    Case((Fault.OPERATION_REJECTS,), FAILED, Reason.PASSWORD_REJECTED, 3),
    # The operation does not tell, or there is none to ask: the directory does.
    Case((Fault.NO_LOCATION,), RESET, None, 1),
    Case((Fault.OPERATION_UNREADABLE,), RESET, None, 1),
    Case((Fault.OPERATION_NEVER_ENDS,), UNRESOLVED, Reason.OPERATION_TIMEOUT, 1),
    # An operation that fails says nothing of the send before it.
    Case((Fault.LOST_BEFORE, Fault.OPERATION_FAILS), UNRESOLVED, Reason.ANSWER_LOST, 2),
    # The answer says that it was taken and is not what it should be: its Location tells, else the directory.
    *(Case((At(Route.RESET, trouble),), RESET, None, 1) for trouble in UNREADABLE),
    Case((At(Route.RESET, Trouble.RELATIVE),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.ELSEWHERE),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.ANOTHERS),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.NOT_A_URL),), RESET, None, 1),
    # Where the Location leads elsewhere, nobody asks there how it ended.
    Case((At(Route.RESET, Trouble.ELSEWHERE), Fault.OPERATION_FAILS), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1),
    Case((At(Route.RESET, Trouble.ANOTHERS), Fault.OPERATION_FAILS), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1),
    # Something on the way answers in Graph's place: nobody knows whether it was taken.
    Case((At(Route.RESET, Trouble.HTML_PAGE, 1),), RESET, None, 2),
    Case((At(Route.RESET, Trouble.HTML_PAGE),), RESET, None, 3),
    Case((At(Route.RESET, Trouble.REDIRECTED, 1),), RESET, None, 2),
    Case((Fault.LOST_BEFORE, Fault.LOST_AFTER, At(Route.RESET, Trouble.HTML_PAGE)), RESET, None, 3),
    # A look at the operation that comes to nothing is one look lost.
    *(Case((At(Route.OPERATION, trouble, 3),), RESET, None, 1) for trouble in (*AWAY, *UNREADABLE)),
    Case((At(Route.OPERATION, Trouble.GONE, 3),), RESET, None, 1),
    Case((At(Route.OPERATION, Trouble.REDIRECTED, 3),), RESET, None, 1),
    Case((At(Route.OPERATION, Trouble.REDIRECTED, 1), Fault.OPERATION_FAILS), FAILED, Reason.OPERATION_FAILED, 1),
    # One that always does is given up for the directory, at once where it is refused, and at the deadline where not.
    *(Case((At(Route.OPERATION, trouble),), RESET, None, 1) for trouble in (*AWAY, *UNREADABLE, *REFUSED)),
    Case((At(Route.OPERATION, Trouble.LOST), Fault.OPERATION_FAILS), UNRESOLVED, Reason.OPERATION_TIMEOUT, 1),
    Case((At(Route.OPERATION, Trouble.DENIED), Fault.OPERATION_FAILS), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1),
    # An operation that says whose it is, and is another's, ends nothing; one that says nonsense of it does.
    Case((At(Route.OPERATION, Trouble.ANOTHERS),), RESET, None, 1),
    Case((At(Route.OPERATION, Trouble.ANOTHERS), Fault.OPERATION_FAILS), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1),
    Case((At(Route.OPERATION, Trouble.NOT_A_URL),), RESET, None, 1),
    # The directory is asked again when it says nothing ...
    *(Case((Fault.NO_LOCATION, At(Route.USER, trouble, 3)), RESET, None, 1) for trouble in (*AWAY, *UNREADABLE)),
    # ... until the deadline, and what it says of another account proves nothing.
    *(
        Case((Fault.NO_LOCATION, At(Route.USER, trouble)), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1)
        for trouble in (Trouble.UNAVAILABLE, *UNREADABLE, *REFUSED, Trouble.ANOTHERS)
    ),
]

#: Held on-premises: history and minimum age may refuse a repeat, so a send in doubt is the last one.
SYNCHRONISED = [
    Case((Fault.THROTTLED,), RESET, None, 4),
    Case((Fault.UNAVAILABLE,), RESET, None, 3),
    Case((Fault.CONCURRENCY,), RESET, None, 2),
    Case((Fault.REJECTED,), FAILED, Reason.PASSWORD_REJECTED, 3),
    Case((Fault.LOST_BEFORE,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.LOST_AFTER,), RESET, None, 1),
    Case((Fault.SERVER_ERROR,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.TIMEOUT_AFTER,), RESET, None, 1),
    Case((Fault.HTML_PAGE,), UNRESOLVED, Reason.ANSWER_LOST, 1),
    Case((Fault.SLOW_ANSWER,), RESET, None, 1),
    Case((Fault.OPERATION_FAILS,), FAILED, Reason.OPERATION_FAILED, 1),
    Case((Fault.NO_LOCATION,), RESET, None, 1),
    Case((Fault.OPERATION_UNREADABLE,), RESET, None, 1),
    Case((Fault.OPERATION_NEVER_ENDS,), UNRESOLVED, Reason.OPERATION_TIMEOUT, 1),
    Case((At(Route.RESET, Trouble.CUT_OFF),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.ELSEWHERE),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.HTML_PAGE),), RESET, None, 1),
    Case((At(Route.RESET, Trouble.REDIRECTED),), RESET, None, 1),
    Case((At(Route.OPERATION, Trouble.HTML_PAGE),), RESET, None, 1),
    Case((At(Route.OPERATION, Trouble.ANOTHERS),), RESET, None, 1),
    Case((Fault.NO_LOCATION, At(Route.USER, Trouble.LOST, 3)), RESET, None, 1),
    Case((Fault.NO_LOCATION, At(Route.USER, Trouble.ANOTHERS)), UNRESOLVED, Reason.OPERATION_UNREADABLE, 1),
]

#: By the other route: the answer is the end, and there is no operation that anything could happen to.
PROFILE = [
    *WRITE,
    # Faults of operations are none here.
    Case((Fault.NO_LOCATION,), RESET, None, 1),
    Case((Fault.OPERATION_FAILS,), RESET, None, 1),
    Case((Fault.OPERATION_NEVER_ENDS,), RESET, None, 1),
    Case((At(Route.UPDATE, Trouble.HTML_PAGE, 1),), RESET, None, 2),
    Case((At(Route.UPDATE, Trouble.HTML_PAGE),), RESET, None, 3),
    Case((At(Route.UPDATE, Trouble.REDIRECTED, 1),), RESET, None, 2),
    # It is known to be done; the directory would only say since when it shows.
    Case((At(Route.USER, Trouble.GONE),), RESET, None, 1),
    Case((At(Route.USER, Trouble.HTML_PAGE),), RESET, None, 1),
    Case((At(Route.USER, Trouble.ANOTHERS),), RESET, None, 1),
]

CASES = {f"cloud-{case.name}": case for case in CLOUD} | {f"synced-{case.name}": case for case in SYNCHRONISED}
PROFILE_CASES = {case.name: case for case in PROFILE}


def carried_out(out: Path, cases: dict[str, Case], **settings: Any) -> Run:
    """One run that has every case in it."""

    async def go() -> Run:
        accounts = [account(name, case) for name, case in cases.items()]
        more: dict[str, Any] = {"deadline": "170s", "directory_lag": "30s", "max_failures": "100%", **settings}
        async with at_desk(out, accounts, **more) as desk:
            plan = await desk.plan()
            for name, case in cases.items():
                cause(desk.tenant, name, case)
            return await desk.carry_out(plan)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "_TICK", 10.0)  # a quarter of an hour has many seconds, and nobody watches
        return run_virtual(go())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return carried_out(tmp_path_factory.mktemp("reset"), CASES)


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return carried_out(tmp_path_factory.mktemp("profile"), PROFILE_CASES, method=Method.PASSWORD_PROFILE)


def comes_to(run: Run, name: str, case: Case) -> None:
    row = run.row(name)
    assert (row["outcome"], row["reason"]) == (case.outcome, case.reason or ""), row["detail"]
    assert run.sends(name) == case.sends


@pytest.mark.parametrize(("name", "case"), CASES.items(), ids=CASES)
def test_a_fault_ends_as_it_should(run: Run, name: str, case: Case) -> None:
    """Each fault, of a cloud and of a synchronised account, has the outcome, reason and number of sends that it has."""
    comes_to(run, name, case)


@pytest.mark.parametrize(("name", "case"), PROFILE_CASES.items(), ids=PROFILE_CASES)
def test_a_fault_ends_as_it_should_by_the_other_route(profiles: Run, name: str, case: Case) -> None:
    """The same by password-profile."""
    comes_to(profiles, name, case)


def test_every_fault_is_in_the_table() -> None:
    """A fault that the simulated tenant learns has to be added here, and so has a trouble."""
    faults = {fault for case in (*CLOUD, *SYNCHRONISED, *PROFILE) for fault in case.faults}
    assert {fault for fault in faults if isinstance(fault, Fault)} == set(Fault)
    troubles = {fault.trouble for fault in faults if isinstance(fault, At)}
    assert troubles | {look_up.trouble for _, look_up in STAGES} == set(Trouble)


@pytest.mark.parametrize("kind", ["run", "profiles"])
def test_every_sure_password_is_the_one_in_force(kind: str, request: pytest.FixtureRequest) -> None:
    """Whatever went wrong on the way, who was reset has one sure password, and it opens the account."""
    run: Run = request.getfixturevalue(kind)
    reset = {row["object_id"] for row in run.rows if row["outcome"] == RESET}
    sure = [each.object_id for each in run.passwords if each.certainty == "sure"]
    assert sorted(sure) == sorted(reset)
    assert not run.disagreements()


def test_the_passwords_of_unresolved_rows_are_handed_out_marked(run: Run) -> None:
    """Nobody knows whether it took effect, so it is a candidate; of a row that failed there is none."""
    unresolved = {row["object_id"] for row in run.rows if row["outcome"] == UNRESOLVED}
    assert {each.object_id for each in run.passwords if each.certainty == "candidate"} == unresolved


class LookUp(NamedTuple):
    """A trouble with a look-up while a run is planned: what comes of it where it passes, and where it stays."""

    trouble: Trouble
    passing: type[Exception] | None
    staying: type[Exception] | None


#: Nothing has been sent yet: a look-up is asked again six times, and then the plan is refused.
LOOK_UPS = [
    *(LookUp(trouble, None, DirectoryError) for trouble in (*AWAY, *UNREADABLE, Trouble.HTML_PAGE, Trouble.REDIRECTED)),
    *(LookUp(trouble, LookUpRefusedError, LookUpRefusedError) for trouble in REFUSED),
    LookUp(Trouble.SIGNED_OUT, SignInError, SignInError),
    # A wait, however often.
    LookUp(Trouble.THROTTLED, None, None),
]
#: The answers to a batch's requests, and the links from one page to the next.
BATCHES = [
    LookUp(Trouble.WRONG_IDS, None, DirectoryError),
    LookUp(Trouble.MISSING, None, DirectoryError),
    LookUp(Trouble.REPEATED, None, None),
]
PAGES = [LookUp(trouble, DirectoryError, DirectoryError) for trouble in (Trouble.ELSEWHERE, Trouble.NOT_A_URL)]
LOOKED_UP: dict[Route, Callable[[Directory], Awaitable[Any]]] = {
    Route.ME: lambda directory: directory.operator(),
    Route.ORGANIZATION: lambda directory: directory.operator(),
    Route.ROLES: lambda directory: assigned(directory, ACTIVE),
    Route.BATCH: lambda directory: directory.find([upn("ana"), upn("bo")]),
    Route.USERS: lambda directory: directory.find([upn("ana"), upn("bo")]),
}
STAGES = [
    *((route, look_up) for route in LOOKED_UP for look_up in LOOK_UPS),
    *((Route.BATCH, look_up) for look_up in BATCHES),
    *((Route.ROLES, look_up) for look_up in PAGES),
]


async def looked_up(route: Route, trouble: Trouble, times: float) -> Any:
    """Look something up in a tenant with that trouble; return what was read, or the error's type."""
    tenant = Tenant([user("ana"), user("bo")], UNHINDERED)
    tenant.troubles.cause(trouble, route, times=times)
    async with (
        serve(tenant) as url,
        GraphSession(url, GivenToken(Secret(tenant.token)), connections=2) as graph,
    ):
        try:
            return await LOOKED_UP[route](Directory(graph, Turnstile(Pacer()), lambda _: None))
        except (BatchResetError, LookUpRefusedError) as error:
            return type(error)


@pytest.mark.parametrize(("route", "look_up"), STAGES, ids=lambda each: getattr(each, "trouble", each))
def test_a_look_up_is_whole_or_refused(route: Route, look_up: LookUp) -> None:
    """Nobody is left out, and no administrator overlooked, for an answer that says nothing."""

    async def go() -> None:
        usual = await looked_up(route, look_up.trouble, 0)
        assert await looked_up(route, look_up.trouble, 1) == (look_up.passing or usual)
        for_ever = 20 if look_up.trouble is Trouble.THROTTLED else math.inf
        assert await looked_up(route, look_up.trouble, for_ever) == (look_up.staying or usual)

    run_virtual(go())


@pytest.mark.parametrize(
    "trouble", [Trouble.DENIED, Trouble.GONE, Trouble.WRONG_TYPES, Trouble.NO_FIELDS, Trouble.ELSEWHERE]
)
def test_roles_that_cannot_be_read_are_not_none(tmp_path: Path, trouble: Trouble) -> None:
    """That somebody holds no role is known only from an answer that says so."""

    async def go() -> frozenset[str] | None:
        async with at_desk(tmp_path, users(1)) as desk:
            desk.tenant.troubles.cause(trouble, Route.OWN_ROLES)
            async with GraphSession(desk.tenant.url, desk.tokens, connections=1) as graph:
                directory = Directory(graph, Turnstile(Pacer()), lambda _: None)
                with suppress(DirectoryError):
                    return await directory.own_roles(await directory.operator())
                return None

    assert run_virtual(go()) is None


#: The token is taken no more, from this stage on: what becomes of the row in hand, until somebody signs in again.
SIGNED_OUT = {
    Route.RESET: Outcome.NOT_ATTEMPTED,
    Route.OPERATION: Outcome.UNRESOLVED,
    Route.USER: Outcome.UNRESOLVED,
}


@pytest.mark.parametrize(("route", "outcome"), SIGNED_OUT.items(), ids=SIGNED_OUT)
def test_a_token_that_is_taken_no_more_halts_and_burns_no_row(tmp_path: Path, route: Route, outcome: Outcome) -> None:
    """The run halts, with exit status 4; who signs in again goes on, and nobody is lost."""

    async def go() -> tuple[Run, Run]:
        faults = (Fault.NO_LOCATION, Fault.OPERATION_SLOW) if route is Route.USER else ()
        async with at_desk(tmp_path, users(1, *faults)) as desk:
            plan = await desk.plan()
            desk.tenant.troubles.cause(Trouble.SIGNED_OUT, route, object_id("user000"), 1)
            halted = await desk.carry_out(plan)
            return halted, await desk.resume(halted.folder)

    halted, resumed = run_virtual(go())
    assert (halted.status, set(halted.counts)) == (4, {outcome})
    assert "the sign-in was lost (HTTP 401" in str(halted.halted_because)
    assert resumed.counts == {RESET: 1}
    assert not resumed.disagreements()
