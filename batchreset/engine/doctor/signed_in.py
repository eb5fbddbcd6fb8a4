"""Checks of the sign-in: whether one can sign in, who does, and what that allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchreset.auth.clouds import authority
from batchreset.auth.recipe import consent_url, recipe
from batchreset.auth.sign_in import way
from batchreset.clock import utc_now
from batchreset.engine.doctor.check import Check, Verdict, ok, problem, unknown
from batchreset.engine.whoami import bearer_of, missing_of, name_of, routes_of
from batchreset.errors import BatchResetError, DirectoryError, SignInError, SignInUnreachableError
from batchreset.graph.directory import LookUpRefusedError
from batchreset.model import Method
from batchreset.policy.permissions import PURPOSES, may_reset, resetting_roles
from batchreset.policy.verdict import Accepted, Refused, SignedOut, judge
from batchreset.settings import Auth

if TYPE_CHECKING:
    from batchreset.auth.bearer import Bearer
    from batchreset.auth.token import TokenSource
    from batchreset.graph.directory import Directory
    from batchreset.graph.session import GraphSession
    from batchreset.settings import Settings

_NO_SIGN_IN = "nobody is signed in"
_NO_REGISTRATION = "the app registration is not known"
_OPAQUE = "the token does not tell"
_WITHOUT_REGISTRATION = frozenset({Auth.TOKEN, Auth.MANAGED_IDENTITY})


def registration(settings: Settings) -> Check:
    """Say which app registration is signed in with; where there is none, the advice is how to make one."""
    name, chosen = "app registration", way(settings)
    if chosen in _WITHOUT_REGISTRATION:
        return ok(name, f"none is needed for --auth {chosen}")
    named = {"--client-id": settings.client_id, "--tenant": settings.tenant or settings.authority}
    if lacking := [option for option, value in named.items() if not value]:
        told = f"An app registration of your own is needed to sign in: name it with {' and '.join(lacking)}."
        return problem(name, told, recipe(settings).rstrip())
    return ok(name, f"{settings.client_id} at {authority(settings)}")


def consent(settings: Settings, registered: Check, permitted: Check) -> Check:
    """Say where an administrator consents. Whether one did, the permissions of a token show."""
    name = "consent"
    if way(settings) in _WITHOUT_REGISTRATION:
        return ok(name, f"none is given by a link for --auth {way(settings)}")
    if registered.verdict is not Verdict.OK:
        return unknown(name, _NO_REGISTRATION)
    told = f"an administrator consents, once for the tenant, at {consent_url(settings)}"
    return ok(name, f"given; {told}") if permitted.verdict is Verdict.OK else unknown(name, told)


async def try_it(
    settings: Settings, registered: Check, tokens: TokenSource, *, is_service_reached: bool
) -> tuple[Check, Bearer | None]:
    """Try to have a token, and say whose it is. A sign-in service that is not reached is another check's problem."""
    name, chosen = "sign-in", way(settings)
    if registered.verdict is not Verdict.OK:
        return unknown(name, _NO_REGISTRATION), None
    try:
        found = await bearer_of(tokens)
    except BatchResetError as error:
        is_told = isinstance(error, SignInUnreachableError) and not is_service_reached
        return (unknown if is_told else problem)(name, str(error)), None
    if found is None:
        return ok(name, f"by {chosen}; {_OPAQUE} whose it is"), None
    until = f", until {found.expires_at:%Y-%m-%d %H:%M:%S} UTC" if found.expires_at else ""
    return ok(name, f"{name_of(found) or 'somebody'} in tenant {found.tenant_id}, by {chosen}{until}"), found


def permissions(settings: Settings, sign_in: Check, found: Bearer | None) -> Check:
    """Say which permissions a run would lack, and what for."""
    name = "permissions"
    if found is None:
        return unknown(name, _OPAQUE if sign_in.verdict is Verdict.OK else _NO_SIGN_IN)
    lacking = missing_of(found, settings)
    if not lacking:
        return ok(name, ", ".join(sorted(found.permissions & PURPOSES.keys())) or "all that are needed")
    told = "; ".join(f"{each} is missing ({PURPOSES.get(each, 'needed')})" for each in lacking)
    kind = "an application" if found.is_app_only else "a delegated"
    return problem(name, told, f"Add it as {kind} permission of Microsoft Graph, have it consented to, sign in again.")


def route(settings: Settings, sign_in: Check, found: Bearer | None) -> Check:
    """Say by which route accounts would be reset."""
    name = "route"
    if found is None:
        return unknown(name, _OPAQUE if sign_in.verdict is Verdict.OK else _NO_SIGN_IN)
    opened, wanted = routes_of(found, settings), settings.method
    if not opened or wanted not in {Method.AUTO, *opened}:
        told = f"--method {wanted} is not open to this sign-in"
        return problem(name, told, f"Open to it: {', '.join(opened) or 'none'}. An application takes password-profile.")
    return ok(name, opened[0] if wanted is Method.AUTO else wanted)


async def look_up(graph: GraphSession) -> Check:
    """Look one account up, and nothing of it but its id."""
    name, path = "look-up", "/users?$top=1&$select=id"
    verdict = judge((await graph.send("GET", path)).result, utc_now())
    if isinstance(verdict, Accepted):
        return ok(name, f"GET {path} was answered")
    if isinstance(verdict, SignedOut):
        return problem(name, f"the sign-in was not accepted ({verdict.why})", "Sign in again.")
    if isinstance(verdict, Refused):
        return problem(name, f"GET {path} was refused ({verdict.why})", "It needs the permission User.Read.All.")
    return unknown(name, f"GET {path} was not answered now ({getattr(verdict, 'why', 'throttled')})")


async def roles(directory: Directory, found: Bearer | None) -> Check:
    """Say whether a directory role is held that may reset, as far as that can be read."""
    name = "directory roles"
    try:
        held = await directory.own_roles(await directory.operator())
    except (LookUpRefusedError, DirectoryError, SignInError) as error:
        return unknown(name, f"they could not be read ({error})")
    if held is None:
        return unknown(name, "they may not be read")
    is_app_only = found is not None and found.is_app_only
    if may := may_reset(held, is_app_only=is_app_only):
        return ok(name, ", ".join(may))
    told = f"none that may reset is held now; held: {', '.join(sorted(held)) or 'none'}"
    return problem(name, told, f"Assign or activate one of: {', '.join(resetting_roles(is_app_only=is_app_only))}.")
