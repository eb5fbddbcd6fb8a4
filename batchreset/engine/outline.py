"""A plan in plain words, the same on the terminal and on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Kind, Mark, Method, PasswordSource, PasswordStyle, RevokeSessions, Step
from batchreset.policy.roles import blocking_foreseen, refusal_foreseen, updating_foreseen
from batchreset.policy.steps import writes_each
from batchreset.recipe import Recipe
from batchreset.report.wording import NAMELESS, accounts, duration, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchreset.engine.plan import Plan
    from batchreset.settings import Settings
    from batchreset.status.record import SourceRecord

#: Names in a sentence of the page; the rest of them is counted.
_NAMED = 5
_KINDS = {Kind.CLOUD: "cloud", Kind.SYNCHRONISED: "synchronised", Kind.GUEST: "guests"}
_MARKS = {
    Mark.PRIVILEGED: "privileged",
    Mark.RESTRICTED: "restricted",
    Mark.DISABLED: "blocked already",
    Mark.SERVICE: "likely used by programs",
}
#: What a route means for a cohort.
_ROUTE_NOTES = {Method.PASSWORD_PROFILE: "; it cannot reach synchronised accounts"}
#: Source of what stays: Microsoft's "Revoke user access in an emergency in Microsoft Entra ID".
_SESSIONS = {
    RevokeSessions.NEVER: (
        "not revoked: whoever is signed in stays so wherever the password was not used for it, and how far a reset "
        "ends the other sessions is not documented"
    ),
    RevokeSessions.AFTER: "revoked once the reset has succeeded",
    RevokeSessions.BOTH: "revoked before the reset, and again once it has succeeded",
}
#: What named the column of accounts.
_FOUND_BY = {"header": "its header", "content": "its content", "--column": "--column"}
_DUE = {
    Step.REVOKE: "sessions of {} are not revoked yet",
    Step.ENABLE: "sign-in is to be opened again for {}",
}


class Section(NamedTuple):
    """A part of the page: its heading, and its lines."""

    heading: str
    lines: tuple[str, ...]


def title(plan: Plan) -> str:
    """Name the plan."""
    return f"Plan {plan.run_id}" + (" (a rehearsal, on a simulated tenant)" if plan.record.rehearsal else "")


def facts(plan: Plan) -> list[tuple[str, str]]:
    """Say what would happen, each fact under its label; those that say nothing are left out."""
    line, settings = plan.record, plan.settings
    told = [
        ("tenant", line.operator.tenant_text),
        ("signed in as", line.operator.user),
        *(("cohort", source_text(source)) for source in line.sources),
        ("where", _where(plan)),
        ("to be reset", _who(plan)),
        ("order", _order(plan)),
        ("route", f"{line.method}, {plan.because}{_ROUTE_NOTES.get(line.method, '')}"),
        ("passwords", passwords_text(settings)),
        ("sessions", _SESSIONS[settings.revoke_sessions]),
        ("sign-in", _sign_in(plan)),
        ("still due", "; ".join(due_texts(plan))),
        ("duration", _duration(plan)),
        ("bounds", _bounds(settings)),
        ("ticket", line.ticket or ""),
        ("justification", line.justification or ""),
    ]
    return [(label, text) for label, text in told if text]


def sections(plan: Plan) -> list[Section]:
    """Say what is to be minded, each part under its heading; empty ones are left out."""
    told = (
        Section("Mind", warnings(plan)),
        Section("Not checked", plan.record.unchecked),
    )
    return [section for section in told if section.lines]


def warnings(plan: Plan) -> tuple[str, ...]:
    """Say what is foreseen to go wrong, a sentence each."""
    return (*_foreseen(plan), *plan.warnings)


def left_out(plan: Plan) -> Iterator[str]:
    """Say how many are left out for each reason, and name the first of them."""
    for reason, names in sorted(plan.contents.left_out.items(), key=lambda item: (-len(item[1]), item[0])):
        shown = "" if reason in NAMELESS else listed(names, _NAMED)
        yield f"{len(names):>7,}  {reason:<18} {shown}".rstrip()


def passwords_text(settings: Settings) -> str:
    """Say where a run's passwords come from, how strong they are, and whether they are kept."""
    recipe = Recipe.of(PasswordStyle(settings.password_style), settings.password_length, settings.password_alphabet)
    told = {
        PasswordSource.SYSTEM: "system (made by the service)",
        PasswordSource.COLUMN: f"from the cohort's column {settings.password_column!r}",
        PasswordSource.GENERATED: f"generated: {recipe.described}",
    }[settings.password_source]
    return told + ("; none is kept" if settings.discard_passwords else "")


def source_text(source: SourceRecord) -> str:
    """Say what an input holds, and by what its accounts are named; lines that repeat accounts come to one number."""
    if source.accounts is None:  # of a table of before it was counted
        return f"{source.name}: {source.records:,} rows, accounts in column {source.column}"
    told = accounts(source.accounts)
    if source.records != source.accounts:
        told = f"{source.records:,} line{'' if source.records == 1 else 's'}, {told}"
    aside = {"blank": source.blank, "invalid": source.invalid, "left out by --where": source.not_selected}
    if any(aside.values()):
        told += f" ({', '.join(f'{number:,} {word}' for word, number in aside.items() if number)})"
    examples = f", for example {', '.join(source.examples)}" if source.examples else ""
    guess = f"; read as {source.encoding}, which is a guess" if source.encoding else ""
    return f'{source.name}: {told}, from column "{source.column}" (by {_FOUND_BY[source.found_by]}){examples}{guess}'


def due_texts(plan: Plan) -> list[str]:
    """Say what is yet to be done about accounts that have been reset."""
    return [_DUE[step].format(accounts(number)) for step, number in plan.due.items() if number]


def _who(plan: Plan) -> str:
    found = plan.contents
    kinds = [f"{found.kinds[kind]:,} {word}" for kind, word in _KINDS.items() if found.kinds[kind]]
    marks = [f"{len(found.marks[mark]):,} {word}" for mark, word in _MARKS.items() if found.marks.get(mark)]
    told = f"{plan.ready:,} of {plan.rows:,} rows"
    if kinds:
        told += f": {', '.join(kinds)}"
    return told + (f"; of them {', '.join(marks)}" if marks else "")


def _where(plan: Plan) -> str:
    """Say which rows the run is about."""
    wanted = " ".join((plan.record.settings.get("where") or "").split())
    left_out = sum(source.not_selected for source in plan.record.sources)
    return f"{wanted} (--where), which leaves out {left_out:,} of {plan.record.records:,} rows" if wanted else ""


def _order(plan: Plan) -> str:
    """Say who goes first."""
    settings, found = plan.settings, plan.contents
    told = []
    if plan.canaries:
        first = listed(plan.canaries, _NAMED)
        told.append(f"{len(plan.canaries):,} first, as a canary ({first}): the others once each of them has succeeded")
    if found.kinds[Kind.SYNCHRONISED]:
        told.append("of each on-premises domain one account before the rest of it")
    if found.marks.get(Mark.PRIVILEGED):
        told.append("privileged accounts before others")
    told.append(f"by column {settings.order_by!r}" if settings.order_by else "as in the cohort")
    return "; ".join(told)


def _sign_in(plan: Plan) -> str:
    settings = plan.settings
    if not settings.disable:
        return ""
    after = "opened again afterwards where it was open" if settings.enable else "stays blocked until --enable opens it"
    too = plan.contents.kinds[Kind.SYNCHRONISED]
    in_ad = "; synchronised accounts are to be disabled in Active Directory too" if too else ""
    return f"blocked before the reset, {after}{in_ad}"


def _duration(plan: Plan) -> str:
    told = plan.duration
    writes = f" {told.writes:,} writes" if writes_each(plan.settings) > 1 else ""
    return f"about {duration(told.seconds)} to send{writes}, {told.because}"


def _bounds(settings: Settings) -> str:
    """Say what limits a start, each with the option that changes it."""
    failures = f"over {settings.max_failures}" if settings.max_failures else "over 20%, and at least 10,"
    told = [f"{settings.workers:,} requests at once (--workers)"]
    if settings.rate:
        told.append(f"{settings.rate:g} writes a second at most (--rate)")
    if settings.limit:
        told.append(f"{accounts(settings.limit)} now and no more (--limit)")
    if settings.stop_after:
        told.append(f"nothing more is sent after {settings.stop_after} (--stop-after)")
    return "; ".join((*told, f"halts when {failures} have failed (--max-failures)"))


def _foreseen(plan: Plan) -> Iterator[str]:
    """Say what the accounts themselves let foresee."""
    marks, outside = plan.contents.marks, plan.contents.outside
    if services := marks.get(Mark.SERVICE):
        yield (
            f"Programs may be signing in with {accounts(len(services))}, whose password never expires: "
            f"{listed(services, _NAMED)}. They will fail until they have the new password."
        )
    is_by_update = plan.record.method is Method.PASSWORD_PROFILE
    if is_by_update and (in_vain := updating_foreseen(plan.record.operator.roles)):
        yield in_vain
    elif (refused := marks.get(Mark.OUT_OF_REACH)) and plan.record.operator.roles:
        yield refusal_foreseen(refused, plan.record.operator.roles)
    if in_vain := blocking_foreseen(plan.settings, plan.record.operator.roles):
        yield in_vain
    if outside:
        most = [f"{domain} ({number:,})" for domain, number in outside.most_common()]
        yield (
            f"{accounts(outside.total())} of the cohort are outside the tenant's verified domains: "
            f"{listed(most, _NAMED)}."
        )
