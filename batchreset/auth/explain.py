"""Why the sign-in service said no, in one sentence: what is wrong, and what to do.

Source of the numbers: Microsoft's "Microsoft Entra authentication and authorization error codes".
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN = "sign in again with `batchreset login`"
_MEANINGS: tuple[tuple[tuple[int, ...], str], ...] = (
    (
        (16000, 50020, 50034, 51004, 90072),
        "The account is not known in this tenant: name another with --account, or another --tenant.",
    ),
    ((50105,), "The account is not assigned to the application: assign it under Enterprise applications."),
    ((50053,), "The account is locked, or its sign-in comes from a place that is blocked."),
    ((50055,), "The account's password has expired: change it in a browser, then sign in."),
    ((50057,), "The account is disabled: sign in with another."),
    ((50126,), "User name or password was wrong."),
    ((50074, 50076, 50078, 50158), f"A further step such as multifactor authentication is asked for: {_AGAIN}."),
    (
        (50072, 50079),
        "Multifactor authentication has to be set up for the account: do that in a browser, then sign in.",
    ),
    ((500121,), "Multifactor authentication was not completed: sign in again."),
    ((53000, 53001, 50097, 50129, 50131), "Conditional Access wants a managed, compliant device: sign in from one."),
    ((53002,), "Conditional Access wants another, approved application."),
    (
        (53003, 530032, 530035),
        "Conditional Access blocks this sign-in; many tenants block device codes, so try --auth interactive.",
    ),
    ((53004, 53011), "The sign-in is blocked as risky: have the account's risk dealt with, or sign in with another."),
    ((500021,), "The network's tenant restrictions do not let anybody sign in to this tenant from here."),
    (
        (65001, 65004, 90094, 900941),
        (
            "Consent is missing: an administrator has to give it to the application; `batchreset doctor` prints where. "
            "Without it for User.RevokeSessions.All, runs need --revoke-sessions never."
        ),
    ),
    ((650053, 70011), "The application was asked for a permission that Graph does not have; check --cloud."),
    ((500011, 650052), "Microsoft Graph is not known in this tenant: check --tenant and --cloud."),
    ((50132, 50133, 50173), f"The sign-in was revoked, or the account's password has changed: {_AGAIN}."),
    ((70043, 70044), f"The sign-in is older than the tenant lets it become (sign-in frequency): {_AGAIN}."),
    ((700082,), f"The sign-in has expired by not being used: {_AGAIN}."),
    ((70008,), f"The sign-in has expired or was revoked: {_AGAIN}."),
    ((700003,), f"The device that the sign-in was made on is known no more: {_AGAIN}."),
    ((700016,), "The application is not known in this tenant: check --client-id and --tenant."),
    ((7000112,), "The application is disabled in this tenant."),
    ((50194,), "The application is of one tenant only: name that one with --tenant."),
    (
        (50011, 500113),
        "The application's registration lacks http://localhost as a redirect URI for mobile and desktop applications.",
    ),
    (
        (7000218,),
        "The application's registration does not allow public client flows: allow them under Authentication.",
    ),
    (
        (700025,),
        "The application is a public client and takes no secret or certificate: add one, or use `batchreset login`.",
    ),
    ((7000215,), "The client secret is wrong: BATCHRESET_CLIENT_SECRET wants the secret's value, not its id."),
    ((7000222,), "The client secret has expired: make a new one in the application's registration."),
    ((700027, 700030), "The certificate is not one of the application's: upload its public half to the registration."),
    ((700024,), "The certificate's signature is not valid at this time: check this machine's clock."),
    ((90002, 900023, 50128, 50059), "There is no such tenant: check --tenant and --cloud."),
)
_BY_NUMBER: Mapping[int, str] = MappingProxyType({number: text for numbers, text in _MEANINGS for number in numbers})
_BY_ERROR: Mapping[str, str] = MappingProxyType(
    {
        "authorization_declined": "The sign-in was declined.",
        "access_denied": "The sign-in was declined.",
        "authorization_pending": "The code was not used in time: sign in again.",
        "expired_token": "The code was not used in time: sign in again.",
        "code_expired": "The code was not used in time: sign in again.",
    }
)
#: Trouble of the service's own.
_PASSING = frozenset({90006, 90012, 90033, 90055})
_NUMBER = re.compile(r"AADSTS(\d+)", re.ASCII)
_TRACE = re.compile(r"\s*(Trace ID:|[\r\n]).*", re.DOTALL)
_LONGEST = 300


def explain(result: Mapping[str, Any]) -> str:
    """Say in one sentence why MSAL got no token, with the error's number for whoever looks it up."""
    for number in _numbers(result):
        if number in _BY_NUMBER:
            return f"{_BY_NUMBER[number].removesuffix('.')} (AADSTS{number})."
    error = str(result.get("error") or "")
    if error in _BY_ERROR:
        return _BY_ERROR[error]
    told = _TRACE.sub("", str(result.get("error_description") or "").strip())[:_LONGEST]
    return f"The sign-in was refused: {(told or error or 'no reason was given').removesuffix('.')}."


def is_passing(result: Mapping[str, Any]) -> bool:
    """Say whether the same request may well succeed a little later."""
    return result.get("error") in {"temporarily_unavailable", "server_error"} or not _PASSING.isdisjoint(
        _numbers(result)
    )


def _numbers(result: Mapping[str, Any]) -> list[int]:
    codes = result.get("error_codes")
    listed = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    return listed + [int(number) for number in _NUMBER.findall(str(result.get("error_description") or ""))]
