"""Microsoft's own client against the simulated tenant, so that we do not merely agree with ourselves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchreset.rehearsal.behaviour import PASSWORD_METHOD, UNHINDERED, Spread
from batchreset.rehearsal.population import at_risk, groups_of, populate
from batchreset.rehearsal.server import serve
from batchreset.rehearsal.tenant import Tenant
from tests.support.clock import run_virtual
from tests.support.microsoft import WARNINGS, microsofts_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from msgraph import GraphServiceClient

pytestmark = [pytest.mark.filterwarnings(warning) for warning in WARNINGS]

UPN = "ana.silva@contoso.example"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the client off a proxy of this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@asynccontextmanager
async def client_of(tenant: Tenant) -> AsyncIterator[GraphServiceClient]:
    """Serve `tenant` and sign Microsoft's client in to it."""
    async with serve(tenant) as url, microsofts_client(url, tenant.token) as client:
        yield client


def test_microsofts_client_resets_a_user_and_reads_the_operation() -> None:
    """It looks the user up, resets the password, follows the Location to the end, and reads a service-made password."""
    from kiota_abstractions.base_request_configuration import RequestConfiguration  # noqa: PLC0415  imports slowly
    from kiota_http.middleware.options import HeadersInspectionHandlerOption  # noqa: PLC0415  imports slowly
    from msgraph.generated.models.long_running_operation_status import LongRunningOperationStatus  # noqa: PLC0415  imports slowly
    from msgraph.generated.users.item.authentication.methods.item.reset_password.reset_password_post_request_body import (  # noqa: E501, PLC0415  imports slowly
        ResetPasswordPostRequestBody,
    )

    async def drive() -> None:
        tenant = Tenant(populate([UPN], plain=True), replace(UNHINDERED, cloud_operation=Spread(5)))
        async with client_of(tenant) as client:
            user = await client.users.by_user_id(UPN).get()
            assert user.display_name == "Ana Silva"

            authentication = client.users.by_user_id(user.id).authentication
            reset = authentication.methods.by_authentication_method_id(PASSWORD_METHOD).reset_password
            seen = HeadersInspectionHandlerOption(inspect_response_headers=True)
            answer = await reset.post(
                ResetPasswordPostRequestBody(new_password="Quartz-7-meadow"), RequestConfiguration(options=[seen])
            )
            assert answer is None
            (location,) = seen.response_headers.get("location")

            operations = authentication.operations.by_long_running_operation_id("followed by its own URL")
            under_way = await operations.with_url(location).get()
            assert under_way.status is LongRunningOperationStatus.NotStarted
            await asyncio.sleep(5)
            ended = await operations.with_url(location).get()
            assert ended.status is LongRunningOperationStatus.Succeeded
            assert ended.status_detail == "ResetSuccess"
            assert tenant.password_of(user.id) == "Quartz-7-meadow"

            made = await reset.post(ResetPasswordPostRequestBody())
            await asyncio.sleep(5)
            assert made.new_password == tenant.password_of(user.id)

    run_virtual(drive())


def test_microsofts_client_understands_the_tenants_errors() -> None:
    """A refused password and an unknown user arrive as its own ODataError, with code and request id."""
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError  # noqa: PLC0415  imports slowly
    from msgraph.generated.users.item.authentication.methods.item.reset_password.reset_password_post_request_body import (  # noqa: E501, PLC0415  imports slowly
        ResetPasswordPostRequestBody,
    )

    async def drive() -> None:
        tenant = Tenant(populate([UPN], plain=True), UNHINDERED)
        async with client_of(tenant) as client:
            with pytest.raises(ODataError) as caught:
                await client.users.by_user_id("nobody@contoso.example").get()
            assert caught.value.response_status_code == 404
            assert caught.value.error.code == "Request_ResourceNotFound"
            assert caught.value.error.inner_error.request_id

            authentication = client.users.by_user_id(UPN).authentication
            reset = authentication.methods.by_authentication_method_id(PASSWORD_METHOD).reset_password
            with pytest.raises(ODataError) as caught:
                await reset.post(ResetPasswordPostRequestBody(new_password="short"))
            assert caught.value.response_status_code == 400

    run_virtual(drive())


def test_microsofts_client_reads_groups_and_risk() -> None:
    """It finds a group by name, its members through the group within it, page by page, and who is at risk."""
    from kiota_abstractions.base_request_configuration import RequestConfiguration  # noqa: PLC0415  imports slowly
    from kiota_abstractions.headers_collection import HeadersCollection  # noqa: PLC0415  imports slowly
    from msgraph.generated.groups.groups_request_builder import GroupsRequestBuilder  # noqa: PLC0415  imports slowly
    from msgraph.generated.groups.item.transitive_members.graph_user.graph_user_request_builder import (  # noqa: PLC0415  imports slowly
        GraphUserRequestBuilder,
    )
    from msgraph.generated.models.risk_level import RiskLevel  # noqa: PLC0415  imports slowly
    from msgraph.generated.models.risk_state import RiskState  # noqa: PLC0415  imports slowly

    async def drive() -> None:
        cohort = at_risk(populate([f"person{number}@contoso.example" for number in range(40)], plain=True))
        async with client_of(Tenant(cohort, UNHINDERED, groups_of(cohort))) as client:
            named = GroupsRequestBuilder.GroupsRequestBuilderGetQueryParameters(
                filter="displayName eq 'Leaked accounts'"
            )
            (leaked,) = (await client.groups.get(RequestConfiguration(query_parameters=named))).value
            eventually = HeadersCollection()
            eventually.add("ConsistencyLevel", "eventual")
            options = GraphUserRequestBuilder.GraphUserRequestBuilderGetQueryParameters(count=True, top=20)
            asked = RequestConfiguration(query_parameters=options, headers=eventually)
            members = client.groups.by_group_id(leaked.id).transitive_members.graph_user
            first = await members.get(asked)
            second = await members.with_url(first.odata_next_link).get(RequestConfiguration(headers=eventually))
            assert first.odata_count == second.odata_count == 30
            assert len({member.user_principal_name for member in [*first.value, *second.value]}) == 30

            risky = (await client.identity_protection.risky_users.get()).value
            assert [(one.id, one.risk_level, one.risk_state) for one in risky] == [
                (cohort[0].id, RiskLevel.High, RiskState.AtRisk),
                (cohort[20].id, RiskLevel.Medium, RiskState.AtRisk),
            ]

    run_virtual(drive())
