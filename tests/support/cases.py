"""What goes wrong with one row, and what is to become of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from batchreset.rehearsal.behaviour import Fault, Route
from tests.support.desk import object_id, user

if TYPE_CHECKING:
    from batchreset.model import Outcome, Reason
    from batchreset.rehearsal.population import User
    from batchreset.rehearsal.tenant import Tenant
    from batchreset.rehearsal.troubles import Trouble


class At(NamedTuple):
    """A trouble with the answers to an account's requests of one route."""

    route: Route
    trouble: Trouble
    times: float = math.inf

    def __str__(self) -> str:
        times = "always" if self.times == math.inf else f"{self.times}-times"
        return f"{self.route}-{self.trouble}-{times}"


class Case(NamedTuple):
    """Faults, one after the other, and what they come to."""

    faults: tuple[Fault | At, ...]
    outcome: Outcome
    reason: Reason | None
    #: Writes that reach the service.
    sends: int

    @property
    def name(self) -> str:
        return "-then-".join(map(str, self.faults))


def account(name: str, case: Case) -> User:
    """Make the account that a case is about; a name that begins with `synced` is of a synchronised one."""
    faults = (fault for fault in case.faults if isinstance(fault, Fault))
    return user(name, *faults, synchronised=name.startswith("synced"))


def cause(tenant: Tenant, name: str, case: Case) -> None:
    """Have the tenant's answers about that account go wrong."""
    for fault in case.faults:
        if isinstance(fault, At):
            tenant.troubles.cause(fault.trouble, fault.route, object_id(name), fault.times)
