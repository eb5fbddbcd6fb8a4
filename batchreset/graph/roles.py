"""Reading who holds directory roles, once for the whole tenant."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchreset.graph.answers import text_in
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.groups import members
from batchreset.policy.roles import Holders

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        groups = await assignable_groups(directory)
    except LookUpRefusedError as error:
        unread.append(_unread("Who holds a directory role through a group", error, "GroupMember.Read.All"))
    in_groups = frozenset[str]().union(*groups.values())
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


async def assignable_groups(directory: Directory) -> dict[str, set[str]]:
    """Read the members, nested ones too, of each group to which roles can be assigned. All by ids in lower case."""
    groups = [text_in(group, "id") async for page in directory.pages(_ASSIGNABLE, "id") for group in page]
    return {
        group.lower(): {text_in(user, "id").lower() async for page in members(directory, group) for user in page}
        for group in groups
    }


def _passed_on(held: Mapping[str, frozenset[str]], groups: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    """Give the roles that groups hold to their members too."""
    found = dict(held)
    for group, users in groups.items():
        if group in held:
            found |= {user: found.get(user, frozenset()) | held[group] for user in users}
    return found


def _unread(what: str, error: LookUpRefusedError, permission: str) -> str:
    return f"{what} could not be read ({error}), so administrators are not left out; {permission} allows it."
