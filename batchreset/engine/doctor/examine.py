"""Every check, in the order in which one thing depends on another: a failed one never hides the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from batchreset.auth.sign_in import sign_in, way
from batchreset.engine.doctor import machine, roads, signed_in
from batchreset.engine.doctor.check import Verdict, ok, unknown
from batchreset.engine.whoami import IN_PERSON
from batchreset.errors import BatchResetError
from batchreset.gather import gather
from batchreset.graph.directory import Directory
from batchreset.graph.session import GraphSession
from batchreset.graph.turnstile import Turnstile
from batchreset.policy.pace import Pacer
from batchreset.settings import Auth, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from batchreset.engine.doctor.check import Check

#: What cannot be looked at while the settings cannot be used.
_BY_SETTINGS = (
    *("proxy to sign-in", "reaching sign-in", "clock", "proxy to Graph", "reaching Graph", "app registration"),
    *("sign-in", "permissions", "consent", "route", "look-up", "directory roles", "run folder", "key", "token cache"),
)
#: The ways to sign in that never ask the sign-in service from here.
_ELSEWHERE = frozenset({Auth.TOKEN, Auth.MANAGED_IDENTITY})


async def examine(flags: Mapping[str, Any], config: Path | None, warn: Callable[[str], None]) -> list[Check]:
    """Check everything. `flags` and `config` are those of `gather`; `warn` is told what signing in has to say.

    Raises `UsageError` where a flag is wrong; whatever else is wrong is a check that says so.
    """
    gather(flags, base=Settings())
    settings: Settings | None = None
    refusal: BatchResetError | None = None
    try:
        settings = gather(flags, config)
    except BatchResetError as error:
        refusal = error
    checks = [
        machine.program(),
        machine.config_file(config, refusal),
        machine.own_settings(settings, flags, refusal),
        machine.certificates(),
    ]
    if settings is None:
        return [*checks, *(unknown(name, "the settings cannot be used") for name in _BY_SETTINGS)]
    ways = await _ways(settings)
    return [
        *checks,
        *ways,
        *await _signing_in(settings, warn, {check.name for check in ways if check.verdict is Verdict.OK}),
        machine.run_folder(settings),
        machine.key(settings),
        await _token_cache(settings),
    ]


async def _ways(settings: Settings) -> list[Check]:
    """Check the way to both services."""
    if way(settings) in _ELSEWHERE:
        told = f"not asked by --auth {way(settings)}"
        graph = await roads.reach_graph(settings)
        reached = [graph]
        to_sign_in = [ok("proxy to sign-in", told), ok("reaching sign-in", told)]
    else:
        service, graph = await asyncio.gather(roads.reach_sign_in(settings), roads.reach_graph(settings))
        reached = [service, graph]
        to_sign_in = [roads.proxy("proxy to sign-in", roads.sign_in_place(settings)), service.check]
    return [*to_sign_in, roads.clock(reached), roads.proxy("proxy to Graph", settings.graph_root), graph.check]


async def _signing_in(settings: Settings, warn: Callable[[str], None], ways: Collection[str]) -> list[Check]:
    """Check the sign-in, and what Graph says to it; `ways` are the checks of the way there that went well."""
    tokens = sign_in(settings, warn)
    registered = signed_in.registration(settings)
    signing_in, bearer = await signed_in.try_it(
        settings, registered, tokens, is_service_reached="reaching sign-in" in ways
    )
    permitted = signed_in.permissions(settings, signing_in, bearer)
    checks = [
        registered,
        signing_in,
        permitted,
        signed_in.consent(settings, registered, permitted),
        signed_in.route(settings, signing_in, bearer),
    ]
    if signing_in.verdict is not Verdict.OK or "reaching Graph" not in ways:
        why = "Graph is not reached" if signing_in.verdict is Verdict.OK else "nobody is signed in"
        return [*checks, unknown("look-up", why), unknown("directory roles", why)]
    async with GraphSession(settings.graph_root, tokens, connections=1) as graph:
        looked_up = await signed_in.look_up(graph)
        if looked_up.verdict is Verdict.UNKNOWN:
            return [*checks, looked_up, unknown("directory roles", "Graph cannot be asked now")]
        directory = Directory(graph, Turnstile(Pacer()), lambda _: None)
        return [*checks, looked_up, await signed_in.roles(directory, bearer)]


async def _token_cache(settings: Settings) -> Check:
    if way(settings) not in IN_PERSON:
        return ok("token cache", f"not used by --auth {way(settings)}")
    return await asyncio.to_thread(machine.token_cache)
