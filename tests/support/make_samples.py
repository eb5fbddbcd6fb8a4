"""Makes the files under sample_inputs: `python tests/support/make_samples.py`. The same ones every time."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
import unicodedata
import uuid
from dataclasses import dataclass
from pathlib import Path

import xlsxwriter

FOLDER = Path(__file__).parents[2] / "sample_inputs"
WORKBOOK = "incident-2026-11.xlsx"
_SEED = 20261121
_GIVEN = (
    *("Aaliyah", "Amélie", "Anders", "Ayşe", "Björn", "Blessing", "Carlos", "Chiamaka", "Chloë", "Dmytro", "Éloïse"),
    *("Fatima", "Grace", "Gülay", "Håkon", "Hana", "Hiroshi", "Inês", "Ivan", "Jędrzej", "João", "Kofi", "Łucja"),
    *("Mairéad", "Małgorzata", "Mateo", "Mei", "Minh", "Nokuthula", "Olena", "Omar", "Priya", "Quinn", "Rashid"),
    *("Renée", "Søren", "Sofía", "Tāne", "Thandiwe", "Tomáš", "Uxía", "Vikram", "Wanjiru", "Xóchitl", "Yui", "Zoë"),
)
_FAMILY = (
    *("Abubakar", "Åkesson", "Bianchi", "Çelik", "Costa", "D'Angelo", "Dvořák", "Eriksen", "Fernández", "García"),
    *("Haddad", "Ivanova", "Jørgensen", "Kaplan", "Kowalczyk", "Kumar", "Lefèvre", "Lindqvist", "MacLeod", "Mbeki"),
    *(
        "Mäkinen",
        "Müller",
        "Nakamura",
        "Nguyễn",
        "Ní Bhriain",
        "O'Brien",
        "Okafor",
        "Öztürk",
        "Papadopoulou",
        "Pereira",
    ),
    *(
        "Quispe",
        "Rossi",
        "Sánchez",
        "Șerban",
        "Singh",
        "Szabó",
        "Tamatea",
        "Traoré",
        "Vasquez",
        "Wójcik",
        "Xu",
        "Zhang",
    ),
)
_DEPARTMENTS = ("Customer Service", "Engineering", "Finance", "Human Resources", "Legal", "Logistics", "Sales")
_OFFICES = ("Casablanca", "Dublin", "Kraków", "Lagos", "Montréal", "Osaka", "São Paulo", "Wellington")
#: As the Entra admin centre writes them.
_PORTAL_COLUMNS = (
    *("userPrincipalName", "displayName", "surname", "mail", "givenName", "id", "userType", "jobTitle"),
    *("department", "accountEnabled", "usageLocation", "streetAddress", "state", "country", "officeLocation"),
    *("city", "postalCode", "telephoneNumber", "mobilePhone", "alternateEmailAddress", "ageGroup"),
    *("consentProvidedForMinor", "legalAgeGroupClassification", "companyName", "creationType"),
    *("directorySynced", "invitationState", "identityIssuer", "createdDateTime"),
)
_ASCII = str.maketrans({"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "\u0131": "i"})


@dataclass(frozen=True)
class Person:
    given: str
    family: str
    upn: str

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"


def people(draw: random.Random, count: int, domain: str) -> list[Person]:
    """Draw people of different names."""
    names = draw.sample([(given, family) for given in _GIVEN for family in _FAMILY], count)
    return [Person(given, family, f"{_ascii(given)}.{_ascii(family)}@{domain}") for given, family in names]


def text_files() -> dict[str, str]:
    """Return the text files by name."""
    return {
        "helpdesk-cohort.csv": _helpdesk(),
        "entra-portal-export.csv": _portal(),
        "leaked-accounts.txt": _leaked(),
        "entra-bulk-template.csv": _template(),
        "entra-sign-in-log.csv": _sign_in_log(),
        "graph-users.json": _graph(),
        "defender-hunting.csv": _hunting(),
        "get-mguser.csv": _get_mguser(),
        "breach-notification.csv": _breach(),
    }


def write_workbook(path: Path) -> None:
    """Write the incident's workbook: a title above the table, which starts in column B, and more sheets."""
    draw = random.Random(_SEED + 1)
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"title": "Incident 2026-11", "created": dt.datetime(2026, 11, 21, tzinfo=dt.UTC)})
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        summary = book.add_worksheet("Summary")
        facts = (("Incident", "Session tokens sold on a forum"), ("Severity", "High"), ("Opened", "2026-11-20"))
        for row, fact in enumerate((*facts, ("Accounts", 120), ("Lead", "Wanjiru Okafor")), start=1):
            summary.write_row(row, 1, fact)
        table = book.add_worksheet("Affected accounts")
        table.write("B2", "Incident 2026-11: accounts to be reset", bold)
        table.write("B3", "Source: proxy logs of 18 to 20 November; agreed with the works council")
        table.write_row("B5", ("User principal name", "Name", "First seen", "Sign-ins", "MFA", "Ticket"), bold)
        seen = dt.datetime(2026, 11, 18, 6, 0)  # noqa: DTZ001  a workbook's times have no zone
        for row, person in enumerate(people(draw, 120, "fabrikam.example"), start=5):
            seen += dt.timedelta(minutes=draw.randint(1, 40))
            table.write_string(row, 1, person.upn)
            table.write_string(row, 2, person.name)
            table.write_datetime(row, 3, seen, day)
            table.write_number(row, 4, draw.randint(1, 60))
            table.write_boolean(row, 5, draw.random() < 0.4)
            table.write_string(row, 6, f"{row - 4:05d}")
        table.set_column(0, 0, 3)
        table.set_column(1, 4, 30)
        raw = book.add_worksheet("Raw import")
        raw.write_row(0, 0, ("UPN", "Verdict"))
        for row, person in enumerate(people(draw, 30, "fabrikam.example"), start=1):
            raw.write_row(row, 0, (person.upn, "false positive"))
        raw.hide()


def _helpdesk() -> str:
    draw = random.Random(_SEED)
    staff = people(draw, 396, "contoso.example")
    managers = staff[:12]
    records = [
        [
            person.upn,
            person.name,
            draw.choice(_DEPARTMENTS),
            draw.choice(managers).upn,
            draw.choice(_OFFICES),
            f"{n:05d}",
        ]
        for n, person in enumerate(staff, start=47)
    ]
    records[8] = ["sean.o'brien@contoso.example", 'O\'Brien, Seán "Shay"', "Legal", managers[0].upn, "Dublin", "00912"]
    records[61][1] = f"{staff[61].family}, {staff[61].given} (contractor)"
    records[75][4] = "=Tower B="
    records[90][4] = "+353 1 496 0000"
    records[140][0] = staff[140].upn.replace("@", "(at)")
    records[233][0] = "CONTOSO\\" + staff[233].upn.partition("@")[0]
    records.insert(180, [])
    records.insert(300, [""] * 6)
    # The same person twice, as lists grown by hand have it: once to the letter, once in another case, once with blanks.
    records.insert(210, list(records[20]))
    records.insert(260, [records[33][0].upper(), *records[33][1:]])
    records.append([f" {records[57][0]} ", *records[57][1:]])
    header = ["userPrincipalName", "displayName", "department", "manager", "office", "employeeId"]
    return _csv([header, *records])


def _portal() -> str:
    draw = random.Random(_SEED + 2)
    records = []
    for position, person in enumerate(people(draw, 60, "contoso.example")):
        is_guest = position % 12 == 11
        mail = person.upn.replace("contoso", "northwind") if is_guest else person.upn
        known = {
            "userPrincipalName": f"{mail.replace('@', '_')}#EXT#@contoso.example" if is_guest else person.upn,
            "displayName": person.name,
            "surname": person.family,
            "mail": mail,
            "givenName": person.given,
            "id": _guid(draw),
            "userType": "Guest" if is_guest else "Member",
            "department": draw.choice(_DEPARTMENTS),
            "accountEnabled": str(draw.random() > 0.05),
            "officeLocation": draw.choice(_OFFICES),
            "companyName": "Northwind" if is_guest else "Contoso",
            "creationType": "Invitation" if is_guest else "",
            "directorySynced": "" if is_guest else str(draw.random() < 0.5),
            "invitationState": "Accepted" if is_guest else "",
            "identityIssuer": "contoso.example",
            "createdDateTime": f"{draw.randint(2019, 2026)}-0{draw.randint(1, 9)}-{draw.randint(10, 28)}T08:15:00Z",
        }
        records.append([known.get(column, "") for column in _PORTAL_COLUMNS])
    return "\ufeff" + _csv([[*_PORTAL_COLUMNS], *records])


def _leaked() -> str:
    draw = random.Random(_SEED + 3)
    lines = [person.upn for person in people(draw, 48, "contoso.example")]
    lines[7] = lines[7].title()
    lines[30] = f"mailto:{lines[30]}"
    lines.insert(19, lines[3])
    return "\n".join(lines) + "\n"


def _template() -> str:
    draw = random.Random(_SEED + 4)
    accounts = [person.upn for person in people(draw, 25, "contoso.example")]
    return "\n".join(
        ("version:v1.0", "User name [userPrincipalName] Required", "Example: chris@contoso.example", *accounts, "")
    )


def _sign_in_log() -> str:
    draw = random.Random(_SEED + 5)
    known = [(person, _guid(draw)) for person in people(draw, 14, "contoso.example")]
    moment, records = dt.datetime(2026, 11, 18, 6, 0, tzinfo=dt.UTC), []
    for _ in range(90):
        moment += dt.timedelta(minutes=draw.randint(1, 40))
        person, user_id = draw.choice(known)
        application = draw.choice(("Office 365 Exchange Online", "Microsoft Teams", "Azure Portal"))
        address = f"203.0.113.{draw.randint(1, 254)}"
        records.append(
            [
                *(f"{moment:%Y-%m-%dT%H:%M:%SZ}", _guid(draw), _guid(draw), user_id, person.name, person.upn),
                *("Member", application, address, draw.choice(("Success", "Failure")), person.upn),
            ]
        )
    header = ["Date (UTC)", "Request ID", "Correlation ID", "User ID", "User", "Username", "User type"]
    return "\ufeff" + _csv([[*header, "Application", "IP address", "Status", "Sign-in identifier"], *records])


def _graph() -> str:
    draw = random.Random(_SEED + 6)
    users: list[dict[str, object]] = [
        {
            "id": _guid(draw),
            "displayName": person.name,
            "userPrincipalName": person.upn,
            "mail": person.upn,
            "department": draw.choice((*_DEPARTMENTS, None)),
            "accountEnabled": draw.random() > 0.1,
            "businessPhones": [],
        }
        for person in people(draw, 20, "fabrikam.example")
    ]
    answer = {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users", "value": users}
    return json.dumps(answer, ensure_ascii=False, indent=2) + "\n"


def _hunting() -> str:
    draw = random.Random(_SEED + 7)
    known = [(person, _guid(draw)) for person in people(draw, 12, "contoso.example")]
    moment, records = dt.datetime(2026, 11, 19, 21, 0, tzinfo=dt.UTC), []
    for _ in range(40):
        moment += dt.timedelta(minutes=draw.randint(1, 25))
        person, object_id = draw.choice(known)
        event = {"RequestId": _guid(draw), "SessionId": _guid(draw), "ClientIP": f"203.0.113.{draw.randint(1, 254)}"}
        records.append(
            [
                *(
                    f"{moment:%Y-%m-%dT%H:%M:%S.0000000Z}",
                    "MailItemsAccessed",
                    "Microsoft Exchange Online",
                    _guid(draw),
                ),
                *(object_id, person.name, person.upn, json.dumps({**event, "Actor": "admin@contoso.example"})),
            ]
        )
    header = ["Timestamp", "ActionType", "Application", "ReportId"]
    return _csv([[*header, "AccountObjectId", "AccountDisplayName", "AccountUpn", "RawEventData"], *records])


def _get_mguser() -> str:
    draw = random.Random(_SEED + 8)
    users = people(draw, 18, "contoso.example")
    lines = [[person.name, _guid(draw), person.upn, person.upn, "System.String[]"] for person in users]
    text = io.StringIO()
    table = [["DisplayName", "Id", "Mail", "UserPrincipalName", "ProxyAddresses"], *lines]
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(table)
    return f"#TYPE Microsoft.Graph.PowerShell.Models.MicrosoftGraphUser\n{text.getvalue()}"


def _breach() -> str:
    draw = random.Random(_SEED + 9)
    leaks = ("Canvas Prints 2026", "Parcel Tracker", "Recipe Forum")
    found = [[person.upn, draw.choice(leaks)] for person in people(draw, 22, "contoso.example")]
    found += [[found[position][0], "Combined list of November"] for position in (2, 7, 11)]
    return "sep=;\n" + _csv([["Email", "Breach"], *found], delimiter=";")


def _guid(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def _csv(records: list[list[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(records)
    return text.getvalue()


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(_ASCII)).encode("ascii", "ignore").decode()
    return plain.replace("'", "").replace(" ", "").lower()


if __name__ == "__main__":
    for file_name, content in text_files().items():
        (FOLDER / file_name).write_text(content, encoding="utf-8", newline="")
    write_workbook(FOLDER / WORKBOOK)
