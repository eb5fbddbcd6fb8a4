"""What each reason means and the next step to take, in plain sentences."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from batchreset.model import Kind, Mark, Reason, RevokeSessions
from batchreset.report.summary import Sessions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchreset.report.summary import Summary
    from batchreset.status.record import RunRecord


class Advice(NamedTuple):
    """A reason in a few words, what it means, and what to do about it."""

    title: str
    meaning: str
    step: str


ADVICE: Mapping[Reason, Advice] = MappingProxyType(
    {
        Reason.DUPLICATE: Advice(
            "Listed more than once",
            "The same account is named by an earlier row, by this name or another.",
            "Nothing: the earlier row speaks for it.",
        ),
        Reason.BLANK: Advice(
            "No account in the row",
            "The cell that should name the account is empty.",
            "Nothing, unless an account was meant to be there: add it to the cohort file and run that row.",
        ),
        Reason.INVALID_IDENTIFIER: Advice(
            "Not an account name",
            "The cell holds nothing that could name an account; of what it holds, three characters are shown. Where it "
            "is empty, another column of the row names somebody.",
            "Correct the cell in the cohort file and run the corrected rows, or name the right column with `--column`.",
        ),
        Reason.NOT_SELECTED: Advice(
            "Left out by --where",
            "The row does not match the expression that says which rows of the cohort this run is about.",
            "Nothing, if that is as intended. Otherwise run the cohort again with another `--where`, or without.",
        ),
        Reason.NOT_FOUND: Advice(
            "Not in this tenant",
            "No account of this tenant has that name or object id: it was renamed or deleted, lives elsewhere, or is "
            "the address of a group or a contact.",
            "Look the person up in Entra (deleted users too) and run the rows again under their present names.",
        ),
        Reason.AMBIGUOUS: Advice(
            "More than one account",
            "Several accounts have this name, or the one that has it is not of the domain that is named with it.",
            "Name each account by its object id or user principal name and run these rows again.",
        ),
        Reason.PROTECTED: Advice(
            "Protected",
            "The account is on the list of those never to touch.",
            "Nothing, if that is as intended. Otherwise take it off the list (`--protect`, config file) and run it.",
        ),
        Reason.SELF: Advice(
            "The signed-in account",
            "An account cannot reset itself this way.",
            "Change this password at the account's own security page, or let another administrator reset it.",
        ),
        Reason.PRIVILEGED: Advice(
            "Holds a directory role",
            "Accounts with a directory role are left out unless they are asked for, and only few roles may reset them.",
            "Reset them first and by hand if an attacker is about; or run them with `--include-privileged`, "
            "signed in as Privileged Authentication Administrator.",
        ),
        Reason.RESTRICTED: Advice(
            "Of a restricted administrative unit",
            "The account is under restricted management: no role of the whole tenant reaches it.",
            "Have it reset by an administrator of that unit, or sign in as one and add `--include-restricted`.",
        ),
        Reason.SYNC_ACCOUNT: Advice(
            "Account of directory synchronisation",
            "Microsoft Entra Connect signs in with it: another password would stop synchronisation and writeback.",
            "Change this password on the machine that Entra Connect runs on, by its own tool.",
        ),
        Reason.SYNCHRONISED: Advice(
            "Synchronised from on-premises",
            "The password is mastered in the on-premises Active Directory.",
            "Reset it there, or, where the tenant has password writeback, by a person's sign-in and reset-password.",
        ),
        Reason.GUEST: Advice(
            "Guest",
            "The password is held by the guest's home organisation, not by this tenant.",
            "Ask the home organisation to reset it; here, block sign-in: revoking their sessions does nothing.",
        ),
        Reason.FEDERATED: Advice(
            "Federated",
            "Another identity provider signs these accounts in, and holds their passwords.",
            "Reset them there; here, revoke their sessions or block sign-in.",
        ),
        Reason.DISABLED: Advice(
            "Sign-in is blocked",
            "Accounts whose sign-in is blocked were to be left out (`--skip-disabled`).",
            "Nothing, unless one of them is to be opened again: reset it before that.",
        ),
        Reason.CHANGED_SINCE: Advice(
            "Changed since",
            "The password has changed since the time given with `--skip-changed-since`.",
            "Nothing, where its owner changed it. If an attacker may have, run these rows without that option.",
        ),
        Reason.PASSWORD_MISSING: Advice(
            "No password given",
            "The cohort's password column is empty in this row.",
            "Fill in the cell and run the row, or let the password be generated.",
        ),
        Reason.PASSWORD_REJECTED: Advice(
            "Password refused by policy",
            "The password breaks a rule of the tenant or of the on-premises domain: "
            "length, banned words, history, or minimum age.",
            "Run these rows again with generated passwords, longer ones (`--password-length`) where those were refused "
            "too. A synchronised account that was reset within the last day may have to wait for its minimum age.",
        ),
        Reason.FORBIDDEN: Advice(
            "Not permitted",
            "The signed-in account's role may not reset this account; "
            "restricted administrative units refuse tenant-wide roles too.",
            "Sign in with a role that may (Privileged Authentication Administrator reaches furthest); run `retry.csv`.",
        ),
        Reason.REQUEST_REFUSED: Advice(
            "Refused by Microsoft Graph",
            "The service understood the request and would not carry it out; the answer is with the row.",
            "Read the answer below. Where it says nothing, give Microsoft support the two request ids.",
        ),
        Reason.OPERATION_FAILED: Advice(
            "Accepted, then failed",
            "The service took the reset and reported afterwards that it could not be carried out.",
            "Read the status detail below, then run `retry.csv`. For synchronised accounts check password writeback.",
        ),
        Reason.OPERATION_TIMEOUT: Advice(
            "No end in sight",
            "The operation did not end before the deadline, and the directory does not show the change.",
            "Treat the old password as still good. Go on with `batchreset resume`, and check the on-premises agent "
            "if these accounts are synchronised.",
        ),
        Reason.OPERATION_UNREADABLE: Advice(
            "Outcome could not be read",
            "The reset was accepted, but the signed-in role may not read its operation, "
            "and the directory does not show the change.",
            "Sign in as Authentication Administrator or Global Reader and go on with `batchreset resume`.",
        ),
        Reason.ANSWER_LOST: Advice(
            "Answer lost",
            "The request was sent and no answer came back, so the reset may have been applied or not.",
            "Look at the account's last password change in Entra; `batchreset resume` asks the directory again.",
        ),
        Reason.SERVICE_UNAVAILABLE: Advice(
            "Service unavailable",
            "Microsoft Graph did not take the request, however often it was tried.",
            "Look at the service health page, wait until it is well, and run `retry.csv`.",
        ),
        Reason.WRITEBACK: Advice(
            "Held back: writeback failed",
            "The first account of their on-premises domain could not be reset there, so the others were not tried.",
            "Check password writeback and the on-premises agent of that domain, then go on with `batchreset resume`.",
        ),
        Reason.HALTED: Advice(
            "Run halted",
            "The run stopped itself before these rows were done.",
            "Deal with the cause named at the top, then go on with `batchreset resume`.",
        ),
        Reason.INTERRUPTED: Advice(
            "Run interrupted",
            "The run was stopped before these rows were done: by Ctrl-C, a signal, `--limit` or `--stop-after`.",
            "Go on with `batchreset resume`.",
        ),
    }
)

#: Why accounts were left out, as it follows their number: `4 with a directory role`.
_IN_SHORT: Mapping[str, str] = MappingProxyType(
    {
        Reason.DUPLICATE: "listed more than once",
        Reason.BLANK: "without an account",
        Reason.NOT_SELECTED: "not selected",
        Reason.INVALID_IDENTIFIER: "without a valid name",
        Reason.NOT_FOUND: "not in this tenant",
        Reason.AMBIGUOUS: "that may be several accounts",
        Reason.PROTECTED: "protected",
        Reason.SELF: "signed in here",
        Reason.PRIVILEGED: "with a directory role",
        Reason.RESTRICTED: "of a restricted unit",
        Reason.SYNC_ACCOUNT: "of directory synchronisation",
        Reason.SYNCHRONISED: "synchronised",
        Reason.GUEST: "of other organisations",
        Reason.FEDERATED: "federated",
        Reason.DISABLED: "blocked already",
        Reason.CHANGED_SINCE: "changed since",
        Reason.PASSWORD_MISSING: "without a password in the cohort",
        Reason.PASSWORD_REJECTED: "with a password against the rules",
    }
)

#: For rows of a run that is planned, or going on as the report is written.
NOT_DONE = Advice(
    "Not done yet", "The run had not come to the end of these rows.", "Carry on with `batchreset resume`."
)

HAND_OVER = "Hand the new passwords over where an attacker does not read along; `batchreset passwords` opens them."
NONE_KEPT = "No password was kept: users set their own by self-service reset, or are given one there."

#: What a reset leaves as it is. Source: Microsoft's "Revoke user access in Microsoft Entra ID" and "Responding to a
#: compromised email account".
_LEFT_AS_IT_IS = (
    "Sign-in methods: remove the phones, authenticators, passkeys and app passwords that an attacker may have added.",
    "Mailboxes: look for inbox rules and forwarding that somebody else set up.",
    "Applications: look through the consents they gave; those go on working whatever the password.",
)
#: What accounts at risk are counted as.
AT_RISK = "at risk"
#: What there is to do for some of the accounts that were reset, by their kind, mark or risk.
_FOR_SOME: Mapping[str, str] = MappingProxyType(
    {
        Kind.SYNCHRONISED: "Synchronised accounts ({:,}): reset them a second time on-premises, where a hash of the "
        "old password may still serve. Whether another must be chosen at the next sign-in is not known; the one handed "
        "over may stay.",
        Mark.PRIVILEGED: "Holders of a directory role ({:,}): look through what they changed in the tenant, such as "
        "role assignments, applications and their credentials.",
        Mark.SERVICE: "Likely service accounts ({:,}): give the new password to the programs that use the old one.",
        Mark.DISABLED: "Blocked already before this run ({:,}): their sign-in still is.",
        # Source: "Remediate risks and unblock users" of Microsoft Entra ID Protection.
        AT_RISK: "Users at risk ({:,}): in Identity Protection they stay so until it is dismissed or remediated there; "
        "an administrator's reset need not do it.",
    }
)
_SESSIONS_STAY = (
    "Sessions: they go on, since `--revoke-sessions never` left them alone; revoke them wherever somebody else may be "
    "signed in."
)
#: Source: "Continuous access evaluation" of Microsoft Entra: tokens of clients without it last about an hour.
_TOKENS_LAST = (
    "Applications without continuous access evaluation may go on for up to an hour after the sessions were revoked."
)


def afterwards(run: RunRecord, summary: Summary, reset: Mapping[str, int]) -> list[str]:
    """Say what there is to do for the accounts that were reset; `reset` counts them by kind, mark and risk."""
    steps = [HAND_OVER if summary.passwords_kept else NONE_KEPT]
    if run.wanted.get("revoke_sessions") == RevokeSessions.NEVER:
        steps.append(_SESSIONS_STAY)
    steps += _LEFT_AS_IT_IS
    steps += [step.format(reset[each]) for each, step in _FOR_SOME.items() if reset.get(each)]
    if summary.sessions[Sessions.REVOKED]:
        steps.append(_TOKENS_LAST)
    return steps


def advice_on(reason: str) -> Advice:
    """Give the advice on a reason, or on rows that are simply not done yet."""
    return ADVICE[Reason(reason)] if reason else NOT_DONE


def in_short(reason: str) -> str:
    """Say why accounts were left out, as it follows their number."""
    return _IN_SHORT.get(reason, reason.replace("_", " "))
