from __future__ import annotations

import json
from urllib.request import Request, urlopen

from tests.support.tenant_process import Record, tenant_process, upns


def test_the_tenant_runs_as_a_process_of_its_own() -> None:
    """It tells its URL and token, holds the accounts asked for, and tells its record when its input is closed."""
    with tenant_process(3, "--bucket", "20,20") as tenant:
        request = Request(f"{tenant.url}/v1.0/users", headers={"Authorization": f"Bearer {tenant.token}"})  # noqa: S310  loopback
        with urlopen(request, timeout=30) as response:  # noqa: S310  loopback
            users = json.load(response)["value"]
    assert [user["userPrincipalName"] for user in users] == ["operator@contoso.example", *upns(3)]
    assert tenant.record == Record(resets=0, throttled=0, reset=0, seconds=0.0)
