"""Four eyes: one person plans, another agrees to the plan's digest, and nothing else is carried out."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, update

from batchreset.cli.words import plan_text
from batchreset.engine.resume import agree, prepare
from batchreset.errors import RefusedError
from batchreset.model import PasswordSource, State
from batchreset.rehearsal.population import GLOBAL_ADMINISTRATOR
from batchreset.report import planned
from batchreset.status import database, record
from batchreset.status.schema import audit, candidates, resets, run
from tests.support.clock import run_virtual
from tests.support.desk import Run, at_desk, object_id, upn, user, users

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from batchreset.engine.plan import Plan
    from tests.support.desk import Desk

IS_BOSS = resets.c.user == upn("boss")
TAMPERED = "its status table is no longer what was planned"


def add_somebody(connection: Connection) -> None:
    line = dict(connection.execute(select(resets).where(resets.c.id == 1)).mappings().one())
    connection.execute(insert(resets), line | {"id": 99, "row": 99, "object_id": object_id("boss")})


def be_somebody_else(connection: Connection) -> None:
    connection.execute(update(resets).where(resets.c.id == 1).values(object_id=object_id("boss")))


def let_somebody_in(connection: Connection) -> None:
    connection.execute(update(resets).where(resets.c.user == upn("boss")).values(state=State.READY, reason=None))


def be_interrupted(connection: Connection) -> None:
    connection.execute(update(run).values(state="interrupted"))


def include_them(connection: Connection) -> None:
    told = json.loads(connection.execute(select(run.c.settings)).scalar_one())
    connection.execute(update(run).values(settings=json.dumps({**told, "include_privileged": True})))


def block_them_too(connection: Connection) -> None:
    told = json.loads(connection.execute(select(run.c.settings)).scalar_one())
    connection.execute(update(run).values(settings=json.dumps({**told, "disable": True})))


def seal_to_me(connection: Connection) -> None:
    connection.execute(update(run).values(recipient="age1attacker"))


def let_somebody_off(connection: Connection) -> None:
    connection.execute(update(resets).where(resets.c.id == 1).values(state=State.EXCLUDED, reason="protected"))


def forget_the_digest(connection: Connection) -> None:
    connection.execute(update(run).values(plan_digest=None))


def give_another_password(connection: Connection) -> None:
    (first, second) = connection.execute(select(candidates.c.sealed).order_by(candidates.c.id)).scalars()
    assert first != second
    connection.execute(update(candidates).values(sealed=second))


def change(folder: Path, how: Callable[[Connection], object]) -> None:
    engine = database.connect(folder)
    with engine.begin() as connection:
        how(connection)
    engine.dispose()


async def plan_of(desk: Desk) -> Plan:
    return await desk.plan(upn("user000"), upn("user001"), upn("boss"))


def accounts() -> list[Any]:
    return [*users(2), user("boss", roles=(GLOBAL_ADMINISTRATOR,))]


def test_plan_json_is_what_the_digest_is_of(tmp_path: Path) -> None:
    """It lists every row, those left out with their reason; the same table gives the same text, again and again."""

    async def go() -> Plan:
        async with at_desk(tmp_path, accounts(), ticket="INC-1") as desk:
            return await plan_of(desk)

    plan = run_virtual(go())
    text = (plan.folder / "plan.json").read_bytes()
    assert sha256(text).hexdigest() == plan.record.plan_digest
    again = plan.folder / "again"
    again.mkdir()
    engine = database.connect(plan.folder)
    with engine.connect() as connection:
        assert planned.save(again, connection) == plan.record.plan_digest
        assert list(planned.told(connection)) == list(planned.read_back(again, plan.record.plan_digest) or ())
    engine.dispose()
    told = json.loads(text)
    assert list(told) == sorted(told)
    assert told["reset"] == [
        {
            "row": number + 2,
            "source": "cohort.csv",
            "object_id": object_id(f"user00{number}"),
            "user": upn(f"user00{number}"),
            "kind": "cloud",
            "marks": [],
            "turn": told["reset"][number]["turn"],
        }
        for number in range(2)
    ]
    (left_out,) = told["left_out"]
    assert (left_out["row"], left_out["user"], left_out["reason"]) == (4, upn("boss"), "privileged")
    assert (told["ticket"], told["tenant"]["name"], told["method"]) == ("INC-1", "Contoso Rehearsal", "reset-password")
    assert told["cohort"][0]["sha256"] == plan.record.sources[0].sha256
    assert (tmp_path / "cohort.csv").as_posix() not in text.decode()


@pytest.mark.parametrize(
    "how",
    [
        add_somebody,
        be_somebody_else,
        let_somebody_in,
        let_somebody_off,
        block_them_too,
        seal_to_me,
        forget_the_digest,
    ],
)
def test_a_table_that_was_changed_behind_its_back_is_refused(tmp_path: Path, how: Callable[[Connection], None]) -> None:
    """With the digest that was agreed to and without; --anyway does not lift it, and nobody is written to."""

    async def go() -> Desk:
        async with at_desk(tmp_path, accounts()) as desk:
            plan = await plan_of(desk)
            change(plan.folder, how)
            with pytest.raises(RefusedError, match=TAMPERED):
                await desk.resume(plan.folder, anyway=True)
            with pytest.raises(RefusedError) as refused:
                await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=plan.record.plan_digest)
            assert refused.value.exit_status == 5
            return desk

    desk = run_virtual(go())
    assert not [event for account in desk.tenant.accounts.values() for event in account.events]


def test_given_passwords_are_part_of_what_was_agreed_to(tmp_path: Path) -> None:
    """Another one sealed in their place is not sent, nor in a run that has begun."""

    async def go() -> None:
        given: dict[str, Any] = {"password_source": PasswordSource.COLUMN, "password_column": "new", "limit": 1}
        async with at_desk(tmp_path, users(2), **given) as desk:
            lines = (f"{upn('user000')},Quartz-7-meadow", f"{upn('user001')},Basalt-8-meadow")
            plan = await desk.plan(*lines, header="upn,new")
            change(plan.folder, give_another_password)
            with pytest.raises(RefusedError, match=TAMPERED):
                await desk.resume(plan.folder)
            begun = (await desk.run(*lines, header="upn,new")).folder
            engine = database.connect(begun)
            digest = record.load(engine).plan_digest
            engine.dispose()
            assert (await prepare(begun, desk.settings, desk.tokens, plan_digest=digest)).ready == 1
            change(begun, give_another_password)
            with pytest.raises(RefusedError, match=TAMPERED):
                await prepare(begun, desk.settings, desk.tokens, plan_digest=digest)

    run_virtual(go())


def test_a_plan_that_is_said_to_have_begun_is_still_compared(tmp_path: Path) -> None:
    """Its state, its settings and a row were changed: with the digest that was agreed to, nobody is written to."""

    async def go() -> Desk:
        async with at_desk(tmp_path, accounts()) as desk:
            plan = await plan_of(desk)
            for how in (let_somebody_in, include_them, be_interrupted):
                change(plan.folder, how)
            with pytest.raises(RefusedError, match=TAMPERED):
                await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=plan.record.plan_digest)
            return desk

    desk = run_virtual(go())
    assert not [event for account in desk.tenant.accounts.values() for event in account.events]


def test_another_digest_is_refused_and_the_right_one_is_noted(tmp_path: Path) -> None:
    """Before it is begun and after; capitals and blanks do not matter, and plan.json stays as it was planned."""

    async def go() -> tuple[Plan, bytes, Run, list[Any]]:
        async with at_desk(tmp_path, accounts(), limit=1) as desk:
            plan = await plan_of(desk)
            text, digest = (plan.folder / "plan.json").read_bytes(), plan.record.plan_digest or ""
            for wrong in ("0" * 64, digest[:12]):
                with pytest.raises(RefusedError, match=rf"its digest is {digest}, and --plan-digest names {wrong}"):
                    await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=wrong)
            again = await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=f" {digest.upper()}")
            agree(again)
            await desk.carry_out(again)
            with pytest.raises(RefusedError, match="not the plan that was agreed to"):
                await prepare(plan.folder, desk.settings, desk.tokens, plan_digest="0" * 64)
            rest = await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=digest)
            agree(rest)
            done = await desk.carry_out(rest)
            engine = database.connect(plan.folder)
            with engine.connect() as connection:
                agreed = list(connection.execute(select(audit.c.fields).where(audit.c.event == "agreed")).scalars())
            engine.dispose()
            return plan, text, done, [json.loads(told) for told in agreed]

    plan, text, done, agreed = run_virtual(go())
    assert done.counts == {"succeeded": 2, "excluded": 1}
    assert [(told["plan_digest"], told["accounts"]) for told in agreed] == [
        (plan.record.plan_digest, 2),
        (plan.record.plan_digest, 1),
    ]
    assert (plan.folder / "plan.json").read_bytes() == text


def test_screening_again_takes_nothing_from_a_plan(tmp_path: Path) -> None:
    """Whoever looked and answered no left it as it was. Fewer may be reset at last, each with its detail, nobody else.

    Once agreed to, it holds less than was planned, also where its start failed; a row that was let in is refused.
    """

    async def go() -> Run:
        async with at_desk(tmp_path, accounts(), canary=1) as desk:
            plan = await plan_of(desk)
            digest = plan.record.plan_digest
            for roles, ready, canary in (((GLOBAL_ADMINISTRATOR,), 1, "user001"), ((), 2, "user000")):
                account = desk.tenant.accounts[object_id("user000")]
                account.user = replace(account.user, roles=roles)
                looked = await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=digest)
                assert (looked.ready, looked.canaries) == (ready, (upn(canary),))
                assert looked.excluded == {"privileged": 3 - ready}
                assert looked.contents.first == object_id(canary)
            account.user = replace(account.user, roles=(GLOBAL_ADMINISTRATOR,))
            agree(await prepare(plan.folder, desk.settings, desk.tokens))
            again = await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=digest)
            assert (again.ready, again.excluded) == (1, {"privileged": 2})
            let_in = {"state": State.READY, "reason": None}
            change(plan.folder, lambda connection: connection.execute(update(resets).where(IS_BOSS).values(let_in)))
            with pytest.raises(RefusedError, match=TAMPERED):
                await prepare(plan.folder, desk.settings, desk.tokens)
            let_out = {"state": State.EXCLUDED, "reason": "privileged"}
            change(plan.folder, lambda connection: connection.execute(update(resets).where(IS_BOSS).values(let_out)))
            agree(again)
            return await desk.carry_out(again)

    done = run_virtual(go())
    assert done.counts == {"succeeded": 1, "excluded": 2}
    assert done.row("user000")["detail"] == "holds a directory role"


@pytest.mark.parametrize("how", [add_somebody, be_somebody_else, let_somebody_in, block_them_too, seal_to_me])
def test_a_begun_run_is_compared_with_its_plan_where_a_digest_is_named(
    tmp_path: Path, how: Callable[[Connection], None]
) -> None:
    """One cell does not switch that off. What a start changes is not held against it, nor whoever goes on with it."""

    async def go() -> None:
        async with at_desk(tmp_path, accounts(), limit=1) as desk:
            plan = await plan_of(desk)
            digest = plan.record.plan_digest
            assert (await desk.carry_out(plan)).counts == {"succeeded": 1, "not_attempted": 1, "excluded": 1}
            assert (await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=digest)).ready == 1
            change(plan.folder, how)
            with pytest.raises(RefusedError, match=TAMPERED):
                await prepare(plan.folder, desk.settings, desk.tokens, plan_digest=digest)

    run_virtual(go())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "plan.json").unlink(),
        lambda folder: (folder / "plan.json").write_bytes(b"{}"),
        lambda folder: change(folder, let_somebody_off),
    ],
)
def test_a_plan_that_was_screened_again_goes_by_its_file_and_by_how_it_was_left(
    tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    """Its digest is of neither any more."""

    async def go() -> None:
        async with at_desk(tmp_path, accounts()) as desk:
            plan = await plan_of(desk)
            account = desk.tenant.accounts[object_id("user001")]
            account.user = replace(account.user, never_expires=True)
            assert "1 likely used by programs" in plan_text(await prepare(plan.folder, desk.settings, desk.tokens))
            assert (await prepare(plan.folder, desk.settings, desk.tokens)).ready == 2
            spoil(plan.folder)
            with pytest.raises(RefusedError, match=TAMPERED):
                await prepare(plan.folder, desk.settings, desk.tokens)

    run_virtual(go())
