from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from batchreset.errors import DirectoryError
from batchreset.graph.directory import Directory
from batchreset.graph.turnstile import Turnstile
from batchreset.policy.pace import Pacer
from tests.support.clock import run_virtual
from tests.support.scripted import answering, as_json, talking_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

UPNS = [f"user{number:03}@contoso.example" for number in range(60)]


class Batches:
    """A server of $batch that gives each child what `script` says for its id and the time it is asked for."""

    def __init__(self, script: Callable[[str, int], dict[str, Any] | None], *, extra: tuple[Any, ...] = ()) -> None:
        self.script = script
        self.extra = extra
        self.asked: list[list[str]] = []
        self._times: Counter[str] = Counter()

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        children = (await request.json())["requests"]
        self.asked.append([child["id"] for child in children])
        responses: list[Any] = list(self.extra)
        for child in children:
            self._times[child["id"]] += 1
            answer = self.script(child["id"], self._times[child["id"]])
            if answer is not None:
                responses.append({"id": child["id"], "headers": {}, **answer})
        return as_json({"responses": responses[::-1]})

    def find(self, *keys: str) -> dict[str, Any]:
        """Look these up here."""

        async def look_up() -> dict[str, Any]:
            async with answering(self) as root, talking_to(root) as graph:
                return await Directory(graph, Turnstile(Pacer()), lambda _: None).find(keys)

        return run_virtual(look_up())


def holding(*names: str) -> dict[str, Any]:
    """Answer with these users."""
    users = [{"id": f"id-of-{name}", "userPrincipalName": f"{name}@contoso.example"} for name in names]
    return {"status": 200, "body": {"value": users}}


def test_failed_children_are_asked_again_and_no_others() -> None:
    """One by one: what was answered is not asked for again."""
    away = {"status": 503, "body": {"error": {"code": "serviceNotAvailable"}}}
    upns = UPNS[: 3 * 15]
    batches = Batches(lambda name, times: away if name == "1" and times < 4 else holding(f"user0{int(name) * 15:02}"))
    found = batches.find(*upns)
    assert list(found) == ["user000@contoso.example", "user015@contoso.example", "user030@contoso.example"]
    assert batches.asked == [["0", "1", "2"], ["1"], ["1"], ["1"]]


def test_a_childs_retry_after_is_waited_for() -> None:
    """As its own headers say, however they are written; the longest counts for all."""

    async def look_up() -> float:
        waits = {"0": "30", "1": "2.5"}

        def script(name: str, times: int) -> dict[str, Any]:
            return {"status": 429, "headers": {"retry-AFTER": waits[name]}} if times == 1 else holding("user000")

        async with answering(Batches(script)) as root, talking_to(root) as graph:
            start = asyncio.get_running_loop().time()
            await Directory(graph, Turnstile(Pacer()), lambda _: None).find(UPNS[:30])
            return asyncio.get_running_loop().time() - start

    assert run_virtual(look_up()) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    "extra",
    [
        ({"id": "7", "status": 200, "body": {"value": [{"id": "x", "userPrincipalName": UPNS[1]}]}},),
        ({"id": "-1", "status": 200}, {"id": 0, "status": 200}, {"id": "0", "status": "200"}, {"status": 200}),
        ({"id": "\u0660", "status": 200}, {"id": " 0", "status": 200}, {"id": None}, None, "text", [], 7),
    ],
    ids=["foreign", "malformed", "odd"],
)
def test_answers_to_what_was_not_asked_are_passed_over(extra: tuple[Any, ...]) -> None:
    """A foreign or malformed id counts for nothing."""
    batches = Batches(lambda _name, _times: holding("user000"), extra=extra)
    assert list(batches.find(*UPNS[:15])) == [UPNS[0]]
    assert len(batches.asked) == 1


def test_the_first_of_two_answers_counts() -> None:
    """A duplicated id is answered once."""
    repeated = {"id": "0", **holding("user001")}
    batches = Batches(lambda _name, _times: holding("user000"), extra=(repeated,))
    # The server sends them the other way round.
    assert list(batches.find(*UPNS[:15])) == [UPNS[0]]


def test_a_missing_child_is_asked_for_again_and_missed_in_the_end() -> None:
    """Who was not answered is not "not found": the look-up fails instead."""
    late = Batches(lambda name, times: None if name == "1" and times == 1 else holding(f"user0{int(name) * 15:02}"))
    assert len(late.find(*UPNS[:30])) == 2
    assert late.asked == [["0", "1"], ["1"]]
    never = Batches(lambda name, _times: None if name == "1" else holding("user000"))
    with pytest.raises(DirectoryError, match="incomplete"):
        never.find(*UPNS[:30])
    assert len(never.asked) == 6


def test_a_directory_that_stays_away_is_said() -> None:
    """After six tries, with what it said; nothing was sent."""
    batches = Batches(lambda _name, _times: {"status": 503, "body": {"error": {"code": "serviceNotAvailable"}}})
    with pytest.raises(DirectoryError, match=r"the accounts: HTTP 503 serviceNotAvailable.*nothing was sent"):
        batches.find(UPNS[0])
    assert len(batches.asked) == 6


@pytest.mark.parametrize(
    "user",
    [
        *({"userPrincipalName": UPNS[0]}, {"id": "id-1"}, {"id": 7, "userPrincipalName": UPNS[0]}, "text", None),
        *({"id": trick, "userPrincipalName": UPNS[0]} for trick in ("..", "../me", "a/b", "a?b", "é", "", "x" * 65)),
    ],
    ids=str,
)
def test_users_who_cannot_be_addressed_are_not_believed(user: Any) -> None:
    """Such an answer is not "not found", and no id of it ever becomes a path."""
    batches = Batches(
        lambda _name, _times: {"status": 200, "body": {"value": [*holding("user000")["body"]["value"], user]}}
    )
    with pytest.raises(DirectoryError, match="incomplete"):
        batches.find(UPNS[0], "id-1")
    assert len(batches.asked) == 6


def test_two_of_one_name_are_both_told() -> None:
    """Whether one answer holds them or two do; an account that two answers hold is one."""
    users = [{"id": name, "userPrincipalName": UPNS[0].upper()} for name in ("id-1", "ID-2")]
    found = Batches(lambda _name, _times: {"status": 200, "body": {"value": users}}).find(*UPNS[:30], "id-2")
    assert found.keys() == {UPNS[0], "id-2"}
    assert [each.object_id for each in found[UPNS[0]]] == ["id-1", "ID-2"]
    assert [each.object_id for each in found["id-2"]] == ["ID-2"]


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, [], "text", None])
def test_an_answer_that_is_no_page_finds_nobody_missing(body: Any) -> None:
    """A child without a page is asked again: nobody is left out as not found for it."""
    batches = Batches(lambda _name, times: {"status": 200, "body": body} if times < 3 else holding("user000"))
    assert list(batches.find(UPNS[0])) == [UPNS[0]]


@pytest.mark.parametrize("status", [True, 1000, -1, 0, 200.0, "200", None, [200]])
def test_a_child_without_a_status_is_not_answered(status: Any) -> None:
    """Truth is no status, although Python takes it for a number."""
    batches = Batches(
        lambda _name, times: {**holding("user001"), "status": status} if times < 3 else holding("user000")
    )
    assert list(batches.find(*UPNS[:2])) == [UPNS[0]]
