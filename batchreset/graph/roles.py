"""Reading who holds directory roles, once for the whole tenant."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.graph.answers import text_in
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.groups import members, owners
from batchreset.policy.roles import Holders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from batchreset.graph.directory import Directory

ACTIVE = "/roleManagement/directory/roleAssignments"
ELIGIBLE = "/roleManagement/directory/roleEligibilityScheduleInstances"
_ASSIGNABLE = f"/groups?$filter={quote('isAssignableToRole eq true', safe='')}&$select=id,displayName&$top=999"
#: A tenant without Microsoft Entra ID P2, or ID Governance, has no roles to be activated.
_NO_LICENCE = "licenserequired"


async def holders(directory: Directory) -> tuple[Holders, tuple[str, ...]]:
    """Read who holds roles, or may activate them; also what may not be read, one sentence each."""
    unread: list[str] = []
    active: dict[str, frozenset[str]] = {}
    eligible: dict[str, frozenset[str]] = {}
    groups: dict[str, set[str]] = {}
    owning: set[str] = set()
    try:
        active = await assigned(directory, ACTIVE)
    except LookUpRefusedError as error:
        unread.append(_unread("Who holds a directory role", error, "RoleManagement.Read.Directory"))
    try:
        eligible = await assigned(directory, ELIGIBLE)
    except LookUpRefusedError as error:
        if not error.code.endswith(_NO_LICENCE):
            unread.append(_unread("Who may activate a directory role", error, "RoleManagement.Read.Directory"))
    try:
        groups, owning = await assignable_groups(directory)
    except LookUpRefusedError as error:
        unread.append(_unread("Who holds a directory role through a group", error, "GroupMember.Read.All"))
    in_groups = frozenset(owning).union(*groups.values())
    return Holders(_passed_on(active, groups), _passed_on(eligible, groups), in_groups), tuple(unread)


async def assigned(directory: Directory, path: str) -> dict[str, frozenset[str]]:
    """Read roles by their holders' object ids, in lower case: users', groups' and applications'.

    Raises `LookUpRefusedError`, and `DirectoryError` where the end does not come.
    Source: "List unifiedRoleAssignments" and "List roleEligibilityScheduleInstances" of the Graph reference, v1.0.
    """
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    async for page in directory.pages(f"{path}?$select=principalId,roleDefinitionId", "principalId"):
        for each in page:
            found[text_in(each, "principalId").lower()] |= {text_in(each, "roleDefinitionId").lower()}
    return dict(found)


async def assignable_groups(directory: Directory) -> tuple[dict[str, set[str]], set[str]]:
    """Read the members, nested ones too, of each group to which roles can be assigned, and who owns one of them.

    All by ids in lower case. Owners hold none of its roles, but are as much out of reach as members.
    Source: Microsoft's "Use Microsoft Entra groups to manage role assignments".
    """
    groups = [text_in(group, "id") async for page in directory.pages(_ASSIGNABLE, "id") for group in page]
    belonging = {group.lower(): await _ids(members(directory, group)) for group in groups}
    return belonging, set[str]().union(*[await _ids(owners(directory, group)) for group in groups])


async def _ids(pages: AsyncIterator[list[dict[str, Any]]]) -> set[str]:
    return {text_in(user, "id").lower() async for page in pages for user in page}


def _passed_on(held: Mapping[str, frozenset[str]], groups: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Give the roles that groups hold to their members too."""
    found = dict(held)
    for group, users in groups.items():
        if group in held:
            found |= {user: found.get(user, frozenset()) | held[group] for user in users}
    return found


def _unread(what: str, error: LookUpRefusedError, permission: str) -> str:
    return f"{what} could not be read ({error}), so administrators are not left out; {permission} allows it."
