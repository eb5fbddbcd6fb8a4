"""Which directory roles may reset, and block, whom. Roles held go by their template ids, an operator's by name.

Source: "Who can reset passwords" and "Who can perform sensitive actions" in Microsoft's "Privileged roles and
permissions in Microsoft Entra ID", for roles held in the whole tenant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from batchreset.settings import Settings

#: Who may reset: the names by the template ids, which are the same in every tenant. The last two reset everybody.
RESETTING: Mapping[str, str] = MappingProxyType(
    {
        "966707d0-3269-4727-9be2-8c3a10f19b9d": "Password Administrator",
        "729827e3-9c14-49f7-bb1b-9608f156bbb8": "Helpdesk Administrator",
        "c4e39bd9-1100-46d3-8c65-fb160da0071f": "Authentication Administrator",
        "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
        "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
        "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    }
)
_PASSWORD, _HELPDESK, _AUTHENTICATION, _USER, *_everybodys = RESETTING.values()
_OF_EVERYBODY = frozenset(_everybodys)
#: Those of them that may not block sign-in.
_ONLY_PASSWORDS = frozenset({_PASSWORD, _HELPDESK})

#: Who besides may reset the holder of a role. One that is not here, a custom one too, is out of reach for them.
_RESET_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "c4e39bd9-1100-46d3-8c65-fb160da0071f": frozenset({_AUTHENTICATION}),
        # Directory Readers
        "88d8e3e3-8f55-4a1e-953a-9b9898b8876b": frozenset({_PASSWORD, _HELPDESK, _AUTHENTICATION, _USER}),
        # Groups Administrator
        "fdd7a751-b60b-444a-984c-02652fe8fa1c": frozenset({_USER}),
        # Guest Inviter
        "95e79109-95c0-4d8e-aee3-d01accf2d47b": frozenset({_PASSWORD, _HELPDESK, _AUTHENTICATION, _USER}),
        "729827e3-9c14-49f7-bb1b-9608f156bbb8": frozenset({_HELPDESK, _USER}),
        # Message Center Reader
        "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b": frozenset({_HELPDESK, _AUTHENTICATION, _USER}),
        "966707d0-3269-4727-9be2-8c3a10f19b9d": frozenset({_PASSWORD, _HELPDESK, _AUTHENTICATION, _USER}),
        # Reports Reader
        "4a5d8f65-41da-4de4-8968-e035b65339cf": frozenset({_HELPDESK, _AUTHENTICATION, _USER}),
        "fe930be7-5e62-47db-91af-98c3a49a38b1": frozenset({_USER}),
        # User Experience Success Manager
        "27460883-1df1-4691-b032-3b79643e5e63": frozenset({_HELPDESK, _AUTHENTICATION, _USER}),
        # Usage Summary Reports Reader
        "75934031-6c7e-415a-99d7-48dbd49e875e": frozenset({_HELPDESK, _AUTHENTICATION, _USER}),
    }
)

#: With these Entra Connect signs in: Directory Synchronization Accounts, and On Premises Directory Sync Account. The
#: first one's password is synchronisation's own: with another one it stops, and writeback with it.
SYNCHRONISING = frozenset({"d29b2b05-8046-44ba-8758-1e26182fcf32", "a92aed5d-d78a-4d16-b381-09adb37eb3b0"})

_NO_ROLES = frozenset[str]()
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds directory roles in a tenant, themselves or through a group: role ids by object ids, in lower case."""

    active: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Those who may activate one.
    eligible: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Members and owners of groups to which roles can be assigned, whether one is or not.
    in_assignable_groups: AbstractSet[str] = frozenset()

    def why_privileged(self, object_id: str) -> str:
        """Say by what an account, by its object id in lower case, is privileged; nothing where it is not."""
        if object_id in self.active:
            return "holds a directory role"
        if object_id in self.eligible:
            return "may activate a directory role"
        is_near = object_id in self.in_assignable_groups
        return "is in a group to which roles can be assigned, or owns one" if is_near else ""

    def synchronises(self, object_id: str) -> bool:
        """Say whether an account holds a role by which directories are synchronised."""
        return any(not SYNCHRONISING.isdisjoint(held.get(object_id, ())) for held in (self.active, self.eligible))

    def may_be_reset(self, object_id: str, operator: Collection[str] | None) -> bool | None:
        """Say whether somebody with the roles `operator` may reset an account, as `may_reset` does."""
        return self._may(may_reset, object_id, operator)

    def may_be_updated(self, object_id: str, operator: Collection[str] | None) -> bool | None:
        """Say the same of writing an account's passwordProfile, which is a sensitive action, as blocking it is."""
        return self._may(may_disable, object_id, operator)

    def _may(
        self, question: Callable[..., bool | None], object_id: str, operator: Collection[str] | None
    ) -> bool | None:
        roles = self.active.get(object_id, _NO_ROLES)
        return question(operator, roles, is_in_assignable_group=object_id in self.in_assignable_groups)


def may_reset(
    operator: Collection[str] | None, target: Collection[str], *, is_in_assignable_group: bool
) -> bool | None:
    """Say whether somebody with the roles `operator` may reset an account with the roles `target`.

    None where it is not known by which role: theirs may not be read, or are held in an administrative unit only.
    """
    return _may(resetting(operator or ()), target, is_in_assignable_group=is_in_assignable_group)


def may_disable(
    operator: Collection[str] | None, target: Collection[str], *, is_in_assignable_group: bool
) -> bool | None:
    """Say whether somebody with the roles `operator` may block or open the sign-in of an account, as `may_reset`."""
    held = resetting(operator or ())
    if held and not held - _ONLY_PASSWORDS:
        return False
    return _may(held - _ONLY_PASSWORDS, target, is_in_assignable_group=is_in_assignable_group)


def _may(held: frozenset[str], target: Collection[str], *, is_in_assignable_group: bool) -> bool | None:
    if not held:
        return None
    if held & _OF_EVERYBODY:
        return True
    # One role of theirs has to reach all of the account's.
    return not is_in_assignable_group and any(
        all(role in _RESET_BY.get(each.lower(), _NO_ROLES) for each in target) for role in held
    )


def resetting(roles: Collection[str]) -> frozenset[str]:
    """Return the names of those roles, given by names or ids, that may reset anybody at all."""
    return frozenset(RESETTING.get(role.lower(), role) for role in roles) & frozenset(RESETTING.values())


def refusal_foreseen(users: Sequence[str], roles: Collection[str]) -> str:
    """Say of accounts that are out of reach for the roles held that they will be refused; nothing where none is."""
    if not users:
        return ""
    shown = ", ".join(users[:_NAMED]) + (f" and {len(users) - _NAMED:,} more" if len(users) > _NAMED else "")
    whose = _with_article(_one_of(resetting(roles), "and"))
    if len(users) == 1:
        return f"1 account holds a role that {whose} may not reset: {shown}; it will be refused."
    return f"{len(users):,} accounts hold roles that {whose} may not reset: {shown}; they will be refused."


def blocking_foreseen(settings: Settings, roles: Collection[str] | None) -> str:
    """Say of roles that may reset but not block sign-in that --disable will be refused; nothing where it is not."""
    held = resetting(roles or ())
    if not settings.disable or not held or held - _ONLY_PASSWORDS:
        return ""
    may = _one_of(frozenset(RESETTING.values()) - _ONLY_PASSWORDS, "or")
    whose = _with_article(_one_of(held, "and"))
    return f"--disable: {whose} may not block sign-in, so it will be refused; {_with_article(may)} may."


def updating_foreseen(roles: Collection[str] | None) -> str:
    """Say of roles that may reset but not update that writing a passwordProfile will be refused; else nothing."""
    held = resetting(roles or ())
    if not held or held - _ONLY_PASSWORDS:
        return ""
    may = _with_article(_one_of(frozenset(RESETTING.values()) - _ONLY_PASSWORDS, "or"))
    whose = _with_article(_one_of(held, "and"))
    return f"password-profile: {whose} may not write it for anybody, so all will be refused; {may} may."


def _with_article(name: str) -> str:
    return f"{'an' if name.startswith('A') else 'a'} {name}"


def _one_of(names: Collection[str], word: str) -> str:
    *others, last = (name for name in RESETTING.values() if name in names)
    return f"{', '.join(others)} {word} {last}" if others else last
