"""The status table: one line for the run, one per input row, one per password tried, one per write, one per event.

SQLAlchemy Core over SQLite today; nothing here is particular to SQLite.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

#: Raised by one whenever an older program could misread the tables.
SCHEMA_VERSION = 5

metadata = MetaData()

#: One line: what this run is. Lists and mappings are JSON text; times are ISO 8601 UTC with milliseconds.
run = Table(
    "run",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("schema_version", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("state", String, nullable=False),
    Column("halted_because", Text),
    Column("rehearsal", Integer, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("finished_at", String),
    #: Seconds of work, summed over every start.
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("operator", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("graph_url", String, nullable=False),
    Column("method", String, nullable=False),
    Column("settings", Text, nullable=False),
    #: Those of the latest start, which may be others; NULL before the first.
    Column("settings_now", Text),
    Column("sources", Text, nullable=False),
    #: The cohort's own columns in order, as they appear in the reconciliation.
    Column("cohort_columns", Text, nullable=False),
    #: What could not be checked, one sentence each.
    Column("unchecked", Text, nullable=False),
    #: Those of them that only planning could find, and what else it had to tell.
    Column("noted", Text, nullable=False, server_default="[]"),
    Column("foreseen", Text, nullable=False, server_default="[]"),
    #: The files that --except named, as `sources` has the cohort's.
    Column("exceptions", Text, nullable=False, server_default="[]"),
    #: The run's age public key: every candidate is sealed to it.
    Column("recipient", String, nullable=False),
    Column("ticket", Text),
    Column("justification", Text),
    #: The tenant's verified domains as a JSON list.
    Column("domains", Text, nullable=False, server_default="[]"),
    #: SHA-256 of plan.json as it was made; NULL until it is.
    Column("plan_digest", String),
)

#: One line per input row, `id` from 1 in input order.
resets = Table(
    "resets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("row", Integer, nullable=False),
    #: The cell as it was read, and its key, by which it is compared and looked up (empty where it names nobody).
    Column("identifier", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("object_id", String),
    Column("user", Text),
    Column("display_name", Text),
    Column("kind", String),
    #: The account's own mail addresses as a JSON list, in lower case: no password is handed over to one of them.
    Column("mailboxes", Text, nullable=False, server_default="[]"),
    #: The on-premises domain of a synchronised account, and its marks as a JSON list.
    Column("domain", String, nullable=False, server_default=""),
    Column("marks", Text, nullable=False, server_default="[]"),
    #: As it was found before this run blocked it, if it did.
    Column("enabled_before", Integer),
    #: The directory's own value, compared with a later one of its own and with nothing else.
    Column("password_changed_before", String),
    #: Its place in the order of sending; among equals, input order counts.
    Column("turn", Integer, nullable=False, server_default="0"),
    Column("state", String, nullable=False),
    Column("reason", String),
    Column("detail", Text),
    #: The candidate that is in force, once the row is settled on one.
    Column("settled_on", Integer),
    Column("finished_at", String),
    #: When the directory showed the change, where it was asked.
    Column("verified_at", String),
    #: The cohort's own columns as a JSON object of text.
    Column("cohort", Text, nullable=False, server_default="{}"),
)
Index("resets_by_state", resets.c.state, resets.c.id)
Index("resets_by_turn", resets.c.state, resets.c.domain, resets.c.turn, resets.c.id)
Index("resets_by_key", resets.c.key)
Index("resets_by_object_id", resets.c.object_id)

#: One line per password tried for a row. `sealed` is age ciphertext to the run's key; NULL where the service is
#: to make the password and has not told it.
candidates = Table(
    "candidates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reset_id", Integer, ForeignKey("resets.id"), nullable=False),
    Column("sealed", LargeBinary),
    Column("fate", String, nullable=False),
    Column("made_at", String, nullable=False),
    #: When it was handed over to whoever passes it on.
    Column("handed_over_at", String),
)
Index("candidates_by_reset", candidates.c.reset_id)

#: One line per write. The client-request-id is its name: it is on disk before the request leaves.
sends = Table(
    "sends",
    metadata,
    #: In the order in which they were about to be sent.
    Column("id", Integer, primary_key=True),
    Column("client_request_id", String, nullable=False, unique=True),
    Column("reset_id", Integer, ForeignKey("resets.id"), nullable=False),
    Column("step", String, nullable=False),
    Column("candidate_id", Integer, ForeignKey("candidates.id")),
    Column("request_id", String),
    Column("intent_at", String, nullable=False),
    Column("answered_at", String),
    Column("status", Integer),
    Column("verdict", String),
    #: What the service said of a step beside the reset that it refused.
    Column("detail", Text),
    #: The answer's Location, query string and all.
    Column("operation_url", Text),
    Column("operation_status", String),
    Column("operation_ended_at", String),
    Column("polls", Integer, nullable=False, server_default="0"),
)
Index("sends_by_reset", sends.c.reset_id)

#: What the directory said of an account: before anything was sent, and after all was. `said` is its JSON.
evidence = Table(
    "evidence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("reset_id", Integer, ForeignKey("resets.id"), nullable=False),
    #: `before` or `after`.
    Column("moment", String, nullable=False),
    Column("at", String, nullable=False),
    Column("said", Text, nullable=False),
)
Index("evidence_by_reset", evidence.c.reset_id, evidence.c.moment)

#: Accounts that the operator excepted from the run when it was planned, by object id or UPN in lower case; and those
#: that turned out to be protected once they had been sent.
excepted = Table(
    "excepted",
    metadata,
    Column("key", String, primary_key=True),
    #: Where it was named: a file, a group, or what protects it.
    Column("source", Text, nullable=False),
)

#: One line per request and per decision; `fields` is a JSON object without secrets.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    #: `request` or the decision's name.
    Column("event", String, nullable=False),
    #: For requests: `write`, `read` or `poll`.
    Column("route", String),
    Column("status", Integer),
    Column("reset_id", Integer),
    Column("fields", Text, nullable=False),
)
