"""Groups: finding one by its id or name, and who belongs to it, users of nested groups included."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchreset.errors import RefusedError
from batchreset.graph.answers import text_in
from batchreset.graph.directory import LookUpRefusedError
from batchreset.graph.queries import EVENTUALLY
from batchreset.model import Reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchreset.graph.directory import Directory

_SELECT = "$select=id,userPrincipalName,displayName&$top=999&$count=true"
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the directory knows it."""

    id: str
    name: str


async def find_group(directory: Directory, text: str, option: str = "--group") -> Group:
    """Find a group by its object id, or by its exact display name; `option` is where the user named it.

    Raises `RefusedError` where there is none, or are several of that name; `LookUpRefusedError` where groups may not be
    read. Source: "Get group" and "List groups" of the Graph reference, v1.0.
    """
    text = text.strip()
    found = await (_by_id(directory, text) if _OBJECT_ID.fullmatch(text) else _by_name(directory, text))
    if not found:
        raise RefusedError(
            f"{option} {text}: there is no such group in this tenant; give its object id, or its whole name."
        )
    if len(found) > 1:
        ids = ", ".join(group.id for group in found[:_LISTED])
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise RefusedError(
            f"{option} {text}: {len(found)} groups have this name; give the object id of the one that is meant "
            f"({ids}{more})."
        )
    return found[0]


async def _by_id(directory: Directory, object_id: str) -> list[Group]:
    try:
        told = await directory.read(f"/groups/{object_id}?$select=id,displayName", _is_group)
    except LookUpRefusedError as error:
        if error.reason is Reason.NOT_FOUND:
            return []
        raise
    return [_group(told)]


async def _by_name(directory: Directory, name: str) -> list[Group]:
    wanted = quote("displayName eq '" + name.replace("'", "''") + "'", safe="")
    pages = directory.pages(f"/groups?$filter={wanted}&$select=id,displayName", "id")
    return [_group(told) async for page in pages for told in page]


def _is_group(told: dict[str, Any]) -> bool:
    return bool(text_in(told, "id"))


def _group(told: dict[str, Any]) -> Group:
    object_id = text_in(told, "id")
    return Group(object_id, text_in(told, "displayName") or object_id)


async def members(directory: Directory, group_id: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield pages of a group's members: users with `id`, `userPrincipalName` and `displayName`, nested ones included.

    Raises `LookUpRefusedError` where they may not be read, and `DirectoryError` where they cannot be.
    Source: "List group transitive members" of the Graph reference, v1.0.
    """
    path = f"/groups/{quote(group_id, safe='')}/transitiveMembers/microsoft.graph.user?{_SELECT}"
    async for page in directory.pages(path, "id", EVENTUALLY):
        yield page


async def owners(directory: Directory, group_id: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield pages of a group's owners: users by their `id`, which may change who is a member.

    Raises as `members` does. Source: "List group owners" of the Graph reference, v1.0.
    """
    path = f"/groups/{quote(group_id, safe='')}/owners/microsoft.graph.user?$select=id"
    async for page in directory.pages(path, "id"):
        yield page
