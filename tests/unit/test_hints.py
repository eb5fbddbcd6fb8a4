"""What two headers of an answer say of the service's limits."""

from __future__ import annotations

import pytest

from batchreset.policy.hints import Limited, is_near_limit, limited
from batchreset.policy.verdict import Answer, Lost

IDS = "9a3d526c-b3c1-4479-ba74-197b5c5751ae/0785ef7c-2d7a-4542-b048-95bcab406e0b"


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        (f"Tenant_Application/Write/{IDS}", Limited.WRITE),
        (f"Tenant_Application/Read/{IDS}", Limited.READ),
        (f"Tenant_Application/ReadWrite/{IDS}", Limited.READ_WRITE),
        (f"Tenant/ReadWrite/{IDS}", Limited.READ_WRITE),
        (f"application/WRITE/{IDS}", Limited.WRITE),
        ("Tenant/Read", Limited.READ),
        (f"Mailbox/ReadWrite/{IDS}", None),
        (f"Tenant/Everything/{IDS}", None),
        ("Tenant_Application_Write", None),
        ("Tenant", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_scope_names_the_requests_that_its_limit_is_for(scope: str, kind: Limited | None) -> None:
    """Whose requests, of which kind, and two ids; a form that is not understood names none."""
    assert limited(Answer(429, {"x-ms-throttle-scope": scope})) is kind


@pytest.mark.parametrize(
    ("text", "is_near"),
    [("0.81", True), ("1.8", True), ("0.8", False), ("0.3", False), ("nan", False), ("much", False), ("", False)],
)
def test_near_the_limit_is_above_four_fifths_of_it(text: str, is_near: bool) -> None:  # noqa: FBT001  a table's column
    """As a share, not in percent; what is no number says nothing."""
    assert is_near_limit(Answer(202, {"x-ms-throttle-limit-percentage": text})) is is_near


def test_no_header_and_no_answer_say_nothing() -> None:
    """Neither header has to be there."""
    for result in (Answer(429, {}), Lost("gone")):
        assert limited(result) is None
        assert not is_near_limit(result)
