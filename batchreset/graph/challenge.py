"""What a 401 asks for: the claims that another token must be asked for with."""

from __future__ import annotations

import base64
import json
import re

_PARAMETER = re.compile(r'(\w+)="([^"]*)"', re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")


def claims_in(header: str | None) -> str | None:
    """Return the claims of a `WWW-Authenticate` header that challenges for them, as a JSON object; None of any other.

    Source: Microsoft's "Claims challenges, claims requests, and client capabilities".
    """
    parameters = dict(_PARAMETER.findall(header or ""))
    if parameters.get("error") != "insufficient_claims":
        return None
    encoded = parameters.get("claims", "").translate(_URL_SAFE)
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
        return text if isinstance(json.loads(text), dict) else None
    except ValueError:
        return None
