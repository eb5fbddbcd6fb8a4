"""Checks of the way to Graph and to the sign-in service: proxies, whether anybody answers, and the clock there."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchreset.auth.clouds import LOGIN_ROOTS, authority
from batchreset.auth.explain import explain
from batchreset.auth.token import GivenToken
from batchreset.clock import utc_now
from batchreset.engine.doctor.check import Check, Verdict, ok, problem, unknown
from batchreset.errors import SettingsError, SignInError
from batchreset.graph.session import GraphSession
from batchreset.network import proxy_for
from batchreset.policy.verdict import Answer
from batchreset.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchreset.settings import Settings

#: Seconds that this machine's clock may be off: tokens are dated, and Entra allows for five minutes.
MOST_SKEW = 300.0
#: That there is an answer is what counts, so no real token travels.
_NO_TOKEN = GivenToken(Secret("none"))


@dataclass(frozen=True, slots=True)
class Reached:
    """Whether a service answers, and by how many seconds this machine's clock is ahead of its own, where it told."""

    check: Check
    ahead: float | None = None


def proxy(name: str, url: str) -> Check:
    """Say by which proxy one goes; its user and password are not told."""
    host = urlsplit(url).hostname
    try:
        found = proxy_for(url)
    except SettingsError as error:
        return problem(name, str(error), "Correct HTTPS_PROXY, or name the host in NO_PROXY.")
    if found is None:
        return ok(name, f"none for {host}")
    parts = urlsplit(found)
    return ok(name, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} for {host}")


async def reach_graph(settings: Settings) -> Reached:
    """Ask Graph for anything at all."""
    return await _reach("reaching Graph", settings.graph_root, f"{settings.graph_root}/v1.0/organization?$select=id")


async def reach_sign_in(settings: Settings) -> Reached:
    """Ask the sign-in service where its endpoints are, which everybody may."""
    place = sign_in_place(settings)
    return await _reach("reaching sign-in", place, f"{place}/v2.0/.well-known/openid-configuration")


def sign_in_place(settings: Settings) -> str:
    """Return the sign-in service's URL; where no tenant is named, the one for them all."""
    try:
        return authority(settings)
    except SignInError:
        return f"{LOGIN_ROOTS[settings.cloud]}/organizations"


def clock(reached: Sequence[Reached]) -> Check:
    """Compare this machine's clock with those of the services."""
    known = [each.ahead for each in reached if each.ahead is not None]
    if not known:
        return unknown("clock", "nobody answered who could tell the time")
    ahead = min(known, key=abs)
    told = f"{abs(ahead):.0f} s {'ahead of' if ahead >= 0 else 'behind'} the services"
    if abs(ahead) > MOST_SKEW:
        return problem("clock", told, "Set this machine's clock: tokens are refused when it is 5 minutes off.")
    return ok("clock", told)


async def _reach(name: str, root: str, url: str) -> Reached:
    host = urlsplit(root).netloc
    try:
        async with GraphSession(root, _NO_TOKEN, connections=1) as session:
            exchange = await session.send("GET", url)
    except SettingsError:
        return Reached(unknown(name, "certificates or proxy cannot be used"))
    result = exchange.result
    if not isinstance(result, Answer):
        advice = "Check the network, the proxy, and whether a certificate authority of your own is to be trusted."
        return Reached(problem(name, f"{host} does not answer ({result.why}).", advice))
    check = ok(name, f"{host} answers (HTTP {result.status})")
    if isinstance(result.body, dict) and result.body.get("error") == "invalid_tenant":
        check = Check(name, Verdict.PROBLEM, explain(result.body))
    return Reached(check, _ahead(result))


def _ahead(answer: Answer) -> float | None:
    """Return by how many seconds this machine's clock is ahead of the answer's date."""
    try:
        return (utc_now() - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
    except (KeyError, ValueError, TypeError):  # none, no date, or one without a zone
        return None
