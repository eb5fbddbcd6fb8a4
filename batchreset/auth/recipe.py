"""How the app registration is made that signing in needs. Made before the incident, it is there when it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from batchreset.auth.clouds import authority, client_id
from batchreset.auth.scopes import registered
from batchreset.auth.sign_in import is_app_only

if TYPE_CHECKING:
    from batchreset.settings import Settings

_PERSON = """\
batchreset signs in by an app registration of your own tenant; it borrows nobody else's. Make one, once:

In the portal (https://entra.microsoft.com, App registrations, New registration):
  1. Name it batchreset, for accounts in this organizational directory only.
  2. Redirect URI: Public client/native (mobile & desktop), http://localhost
  3. Authentication: set "Allow public client flows" to Yes (device codes need it).
  4. API permissions, Microsoft Graph, delegated: {permissions}
  5. Grant admin consent for the tenant.

Or with the Azure CLI:
  batchreset doctor --print-scopes > scopes.json
  az ad app create --display-name batchreset --sign-in-audience AzureADMyOrg \\
     --is-fallback-public-client true --public-client-redirect-uris http://localhost \\
     --required-resource-accesses @scopes.json --query appId --output tsv
  az ad sp create --id CLIENT-ID
  az ad app permission admin-consent --id CLIENT-ID

Then sign in:
  batchreset login --tenant TENANT --client-id CLIENT-ID --account ADMIN@YOUR-TENANT
"""
_APPLICATION = """\
batchreset signs in by an app registration of your own tenant; it borrows nobody else's. Make one, once:

In the portal (https://entra.microsoft.com, App registrations, New registration):
  1. Name it batchreset, for accounts in this organizational directory only.
  2. API permissions, Microsoft Graph, application: {permissions}
  3. Grant admin consent for the tenant.
  4. Certificates & secrets: upload a certificate's public half, or make a client secret.
  5. Roles and administrators, User Administrator: assign the role to the application.

Or with the Azure CLI:
  batchreset doctor --print-scopes --auth {auth} > scopes.json
  az ad app create --display-name batchreset --sign-in-audience AzureADMyOrg \\
     --required-resource-accesses @scopes.json --query appId --output tsv
  az ad sp create --id CLIENT-ID
  az ad app permission admin-consent --id CLIENT-ID

Its secret goes into BATCHRESET_CLIENT_SECRET (--auth secret), or its certificate's path into
BATCHRESET_CLIENT_CERTIFICATE (--auth certificate), with --tenant and --client-id.
"""


def recipe(settings: Settings) -> str:
    """Return how to make the app registration for this way to sign in, by the portal and by `az`."""
    alone = bool(is_app_only(settings))
    permissions = ", ".join(registered(settings, is_app_only=alone))
    return (_APPLICATION if alone else _PERSON).format(permissions=permissions, auth=settings.auth)


def consent_url(settings: Settings) -> str:
    """Return where an administrator consents, for the whole tenant, to all that the registration asks for.

    Raises `SignInError` where the client id or the tenant is not named.
    Source: Microsoft's "Grant tenant-wide admin consent to an application".
    """
    return f"{authority(settings)}/adminconsent?{urlencode({'client_id': client_id(settings)})}"
