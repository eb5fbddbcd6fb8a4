"""Screening the rows of a status table: every account is known to the directory before anything is sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchreset.cohort.identifiers import parse
from batchreset.engine.finding import AT_ONCE, find
from batchreset.errors import DirectoryError, RefusedError, SignInError
from batchreset.graph.answers import text_in
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.groups import find_group, members
from batchreset.graph.queries import LOOKUP_SIZE
from batchreset.graph.roles import holders
from batchreset.policy.lookups import plain
from batchreset.policy.permissions import cannot_go_with_it
from batchreset.policy.screening import Rules, marks, screen, unclear
from batchreset.status import excepted
from batchreset.status.screening import Screened, screened, unscreened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Engine

    from batchreset.graph.directory import Directory
    from batchreset.model import Method, Operator, State
    from batchreset.policy.screening import Exclusion
    from batchreset.settings import Settings
    from batchreset.status.screening import Unscreened


@dataclass(slots=True)
class Findings:
    """What screening found: which rows are to be left out, by their ids, of so many that were looked up."""

    looked_up: int = 0
    left_out: dict[int, Exclusion] = field(default_factory=dict)


async def rules_for(
    engine: Engine, directory: Directory, operator: Operator, method: Method, settings: Settings
) -> tuple[Rules, tuple[str, ...]]:
    """Gather what screening needs to know of the tenant; also what could not be checked, one sentence each.

    Whom the run in the status table excepts, is protected like those whom the settings name.

    Raises `DirectoryError`, perhaps in a group, where accounts may not be read.
    """
    bearer = await directory.bearer()
    held, unread = await holders(directory)
    domains, no_domains = await _domains(directory)
    by_name, nobody = await _protected_by_name(directory, settings.protect)
    by_group, no_group = await _protected_by_group(directory, settings.protect_group)
    # A token that tells of no permission at all tells nothing of them.
    granted = bearer.permissions if bearer else frozenset[str]()
    impossible = cannot_go_with_it(settings, granted) if granted else ()
    rules = Rules(settings, method, operator, excepted.read(engine) | by_group | by_name, held, domains)
    return rules, (*unread, *no_domains, *nobody, *no_group, *impossible)


async def _domains(directory: Directory) -> tuple[dict[str, bool], tuple[str, ...]]:
    try:
        if found := await directory.domains():
            return found, ()
        why = "none is told"  # any tenant has one
    except LookUpRefusedError as error:
        why = str(error)
    sentence = f"The tenant's domains could not be read ({why}), so accounts of federated ones are not left out; "
    return {}, (sentence + "Organization.Read.All allows it.",)


async def _protected_by_name(directory: Directory, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Look up who is protected, to know them by object id: whoever may be meant; whom nobody knows is nobody."""
    keys = {parse(name).key or name.strip().lower(): name for name in names}
    found = await find(directory, [key for key in keys if parse(key).key])
    known = [account.object_id.lower() for accounts in found.values() for account in accounts]
    unknown = [
        f"--protect {name}: nobody in this tenant has this name, so nobody is protected by it; check its spelling."
        for key, name in keys.items()
        if key not in found
    ]
    return dict.fromkeys((*map(plain, keys), *known), "named by --protect"), unknown


async def _protected_by_group(directory: Directory, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Read the members of groups that are protected; of a group without any, nobody is."""
    protected: dict[str, str] = {}
    unknown = []
    for name in names:
        try:
            group = await find_group(directory, name, "--protect-group")
            users = [text_in(user, "id").lower() async for page in members(directory, group.id) for user in page]
        except (DirectoryError, SignInError):
            raise
        except RefusedError as error:
            unknown.append(f"{str(error).rstrip('.')}; nobody is protected by it.")
            continue
        except LookUpRefusedError as error:
            unknown.append(
                f"--protect-group {name}: it could not be read ({error}), so nobody is protected by it; "
                "GroupMember.Read.All allows it."
            )
            continue
        if not users:
            unknown.append(f"--protect-group {name}: no members of it may be read, so nobody is protected by it.")
        protected |= dict.fromkeys(users, f"member of group {group.name}")
    return protected, unknown


async def screen_rows(
    engine: Engine,
    directory: Directory,
    rules: Rules,
    progress: Callable[[int], None] = lambda _: None,
    *,
    also: AbstractSet[State] = frozenset(),
) -> Findings:
    """Look every ready row up, and those in the states `also`; write what is known of them, and say who is left out.

    No row is moved by that. `progress` is told how many have been looked up.

    Raises `DirectoryError`, in a group, when accounts may not be read: what is sent is keyed by object id.
    """
    places = asyncio.Semaphore(AT_ONCE)
    findings = Findings()

    async def look_up(chunk: list[Unscreened]) -> None:
        try:
            found = await find(directory, [row.key for row in chunk])
        finally:
            places.release()
        known = []
        for row in chunk:
            accounts = found.get(row.key, ())
            exclusion = unclear(row.key, accounts)
            if exclusion is None:
                account = row.as_it_was(accounts[0])
                exclusion = screen(account, rules)
                known.append(Screened(row.id, account, marks(account, rules)))
            if exclusion is not None:
                findings.left_out[row.id] = exclusion
        screened(engine, known)
        findings.looked_up += len(chunk)
        progress(findings.looked_up)

    async with asyncio.TaskGroup() as group:
        for chunk in unscreened(engine, LOOKUP_SIZE, also):
            await places.acquire()
            group.create_task(look_up(chunk))
    return findings
