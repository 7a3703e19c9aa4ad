"""The schema `analytics`: documented views for people with psql or a BI tool.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VIEWS = {
    "attempts": (
        """One row per attempt: one try to reach one number. The first table to look at.
        Attempts under way have no disposition yet. Numbers of people are in it, as the whole of it is
        personal data: grant the schema only to those who may see them.""",
        """
        SELECT a.id AS attempt_id,
               a.campaign_id,
               c.name AS campaign,
               a.campaign_version,
               l.name AS list,
               a.contact_id,
               k.external_id,
               a.phone,
               a.number AS attempt_number,
               a.due_for,
               a.caller_id,
               a.intent_at,
               a.answered_at,
               a.ended_at,
               z.zone,
               CASE WHEN z.zone IN (SELECT name FROM pg_timezone_names)
                    THEN a.intent_at AT TIME ZONE z.zone END AS local_time,
               k.state AS region,
               a.state,
               a.call_sid,
               a.call_status,
               a.answered_by,
               a.answered_at IS NOT NULL AS answered,
               o.disposition,
               o.category,
               o.seconds,
               o.first_word_ms,
               o.abandoned,
               o.final,
               o.retry_at,
               CAST(o.cost AS float8) AS cost,
               a.sip_code,
               a.error_code,
               a.queue_ms,
               (SELECT count(*) FROM recoveries r WHERE r.attempt_id = a.id) AS recoveries
          FROM attempts a
          LEFT JOIN outcomes o ON o.attempt_id = a.id
          LEFT JOIN campaigns c ON c.id = a.campaign_id
          LEFT JOIN contacts k ON k.id = a.contact_id
          LEFT JOIN contact_lists l ON l.id = k.list_id
          LEFT JOIN LATERAL (
               SELECT nullif(split_part(split_part(k.place, '|', 3), ',', 1), '') AS zone) AS z ON true
         WHERE a.kind = 'campaign'
        """,
        {
            "attempt_id": "key",
            "campaign_id": "of analytics.campaigns",
            "campaign": "the campaign's name",
            "campaign_version": "version of the definition that it was made under",
            "list": "the contact list that the contact came from",
            "contact_id": "of analytics.contacts",
            "external_id": "the contact's id in your own system, from the list",
            "phone": "the number called, E.164",
            "attempt_number": "which of the contact's attempts, from 1 (a redial counts on from its own budget)",
            "due_for": "first, retry or callback: why it was made",
            "caller_id": "the number that it was made from, E.164",
            "intent_at": "when it was decided on; the call went out within about a second",
            "answered_at": "when anyone or anything picked up; null: nobody did",
            "ended_at": "when the call was over",
            "zone": "the contact's time zone; the first one when several are possible; null: not known",
            "local_time": "intent_at on the wall clock of zone, by the database server's time-zone data",
            "region": "the region column of the list, e.g. FL",
            "state": "placing, unknown, placed, ringing, answered, ended or not_placed",
            "call_sid": "Twilio's id of the call",
            "call_status": "Twilio's last word: completed, busy, no-answer, failed, canceled",
            "answered_by": "answering-machine detection: human, machine_start, machine_end_beep, fax, unknown",
            "answered": "whether anyone or anything picked up",
            "disposition": "how it ended, see the glossary; null while it is under way",
            "category": "success, neutral or failure",
            "seconds": "of connection",
            "first_word_ms": "from the answer to our first word, milliseconds",
            "abandoned": "a person answered and was not served in time",
            "final": "no retry and no callback is planned after it",
            "retry_at": "when the next try was planned for",
            "cost": "all that it cost, in the campaign's currency; null until known",
            "sip_code": "of the network's final answer",
            "error_code": "Twilio's, when it refused the call",
            "queue_ms": "how long the call waited at Twilio, milliseconds",
            "recoveries": "how often the conversation broke off and was answered",
        },
    ),
    "contacts": (
        """One row per contact of a campaign: where it stands and how its last attempt ended.
        Numbers of people are in it: grant the schema only to those who may see them.""",
        """
        SELECT cc.id AS campaign_contact_id,
               cc.campaign_id,
               c.name AS campaign,
               cc.contact_id,
               k.external_id,
               l.name AS list,
               cc.phone,
               k.place,
               k.state AS region,
               k.party,
               k.consent,
               cc.priority,
               cc.state,
               cc.waiting_for,
               cc.next_at,
               cc.due_for,
               cc.disposition AS last_disposition,
               (SELECT count(*) FROM attempts a WHERE a.campaign_contact_id = cc.id) AS attempts,
               cc.updated_at,
               k.variables
          FROM campaign_contacts cc
          JOIN campaigns c ON c.id = cc.campaign_id
          JOIN contacts k ON k.id = cc.contact_id
          JOIN contact_lists l ON l.id = k.list_id
        """,
        {
            "campaign_contact_id": "key",
            "campaign_id": "of analytics.campaigns",
            "campaign": "the campaign's name",
            "contact_id": "the contact; it may be in several campaigns",
            "external_id": "its id in your own system, from the list",
            "list": "the contact list that it came from",
            "phone": "its first number, E.164",
            "place": "where the person may be: countries|regions|time zones",
            "region": "the region column of the list, e.g. FL",
            "party": "consumer, business or unknown",
            "consent": "none, ebr, express_oral or express_written",
            "priority": "smaller goes first; -1: retries and callbacks",
            "state": "waiting, calling, done or blocked",
            "waiting_for": "waiting and blocked: the rule that says so; done: why it is final",
            "next_at": "when it is due; null unless waiting",
            "due_for": "first, retry or callback",
            "last_disposition": "of the last attempt; null: never called",
            "attempts": "made so far",
            "updated_at": "when any of this last changed",
            "variables": "the list's further columns, as JSON",
        },
    ),
    "campaigns": (
        """One row per campaign with its funnel. Each number is of contacts; enrolled equals waiting + calling
        + done + blocked.""",
        """
        SELECT c.id AS campaign_id,
               c.name AS campaign,
               v.definition ->> 'purpose' AS purpose,
               c.state,
               c.state_why,
               c.created_at,
               c.started_at,
               c.ended_at,
               coalesce(f.enrolled, 0) AS enrolled,
               coalesce(f.waiting, 0) AS waiting,
               coalesce(f.calling, 0) AS calling,
               coalesce(f.done, 0) AS done,
               coalesce(f.blocked, 0) AS blocked,
               coalesce(g.called, 0) AS called,
               coalesce(g.answered, 0) AS answered,
               coalesce(g.reached, 0) AS reached,
               coalesce(g.successes, 0) AS successes,
               coalesce(g.attempts, 0) AS attempts,
               coalesce(g.abandoned, 0) AS abandoned,
               coalesce(g.seconds, 0) AS seconds,
               g.cost,
               v.definition -> 'budget' ->> 'currency' AS currency
          FROM campaigns c
          JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version
          LEFT JOIN (
               SELECT campaign_id, count(*) AS enrolled,
                      count(*) FILTER (WHERE state = 'waiting') AS waiting,
                      count(*) FILTER (WHERE state = 'calling') AS calling,
                      count(*) FILTER (WHERE state = 'done') AS done,
                      count(*) FILTER (WHERE state = 'blocked') AS blocked
                 FROM campaign_contacts GROUP BY campaign_id) AS f ON f.campaign_id = c.id
          LEFT JOIN (
               SELECT a.campaign_id, count(*) AS attempts,
                      count(DISTINCT a.campaign_contact_id) FILTER (WHERE a.state <> 'not_placed') AS called,
                      count(DISTINCT a.campaign_contact_id) FILTER (WHERE a.answered_at IS NOT NULL)
                          AS answered,
                      count(DISTINCT a.campaign_contact_id) FILTER (WHERE o.disposition IN (
                          'interested', 'transferred', 'callback', 'completed', 'not_interested',
                          'do_not_call', 'wrong_number', 'no_conversation', 'abandoned', 'turned_away'))
                          AS reached,
                      count(DISTINCT a.campaign_contact_id) FILTER (WHERE o.category = 'success')
                          AS successes,
                      count(*) FILTER (WHERE o.abandoned) AS abandoned,
                      coalesce(sum(o.seconds), 0) AS seconds,
                      CAST(sum(o.cost) AS float8) AS cost
                 FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id
                WHERE a.kind = 'campaign'
                GROUP BY a.campaign_id) AS g ON g.campaign_id = c.id
        """,
        {
            "campaign_id": "key",
            "campaign": "its name",
            "purpose": "sales or informational",
            "state": "draft, scheduled, running, paused, stopping, stopped, completed or failed",
            "state_why": "why it is in this state",
            "created_at": "when it was made",
            "started_at": "when it ran first",
            "ended_at": "when it ended",
            "enrolled": "contacts in the campaign",
            "waiting": "contacts that wait for their turn, their hour or a retry",
            "calling": "contacts that are being called",
            "done": "contacts that have come to their end",
            "blocked": "contacts that must not be called",
            "called": "contacts called at least once",
            "answered": "contacts at whose number anyone or anything picked up",
            "reached": "contacts at whose number a person picked up",
            "successes": "contacts with an outcome of the category success",
            "attempts": "attempts made, over all contacts",
            "abandoned": "calls that a person answered and that were not served in time",
            "seconds": "of connection, together",
            "cost": "together, in currency; null while nothing is known",
            "currency": "of the costs",
        },
    ),
    "outcomes_daily": (
        """Attempts by campaign, day (of the end, in UTC) and disposition, for trends.""",
        """
        SELECT o.campaign_id,
               c.name AS campaign,
               CAST(o.recorded_at AT TIME ZONE 'UTC' AS date) AS day,
               o.disposition,
               o.category,
               count(*) AS attempts,
               sum(o.seconds) AS seconds,
               CAST(sum(o.cost) AS float8) AS cost,
               percentile_disc(0.5) WITHIN GROUP (ORDER BY o.first_word_ms) AS first_word_p50_ms,
               percentile_disc(0.95) WITHIN GROUP (ORDER BY o.first_word_ms) AS first_word_p95_ms,
               count(*) FILTER (WHERE o.abandoned) AS abandoned
          FROM outcomes o JOIN campaigns c ON c.id = o.campaign_id
         GROUP BY o.campaign_id, c.name, 3, o.disposition, o.category
        """,
        {
            "campaign_id": "of analytics.campaigns",
            "campaign": "its name",
            "day": "UTC day on which the outcome was recorded",
            "disposition": "how the attempts ended",
            "category": "success, neutral or failure",
            "attempts": "how many",
            "seconds": "of connection, together",
            "cost": "together, in the campaign's currency",
            "first_word_p50_ms": "median from the answer to our first word, milliseconds",
            "first_word_p95_ms": "95th percentile of the same",
            "abandoned": "of these, answered by a person and not served in time",
        },
    ),
    "transcripts": (
        """One row per turn of a conversation, as heard (what was interrupted is cut where it was cut), with
        card, identity and e-mail numbers removed.""",
        """
        SELECT t.attempt_id,
               a.campaign_id,
               c.name AS campaign,
               a.contact_id,
               t.seq,
               t.session_ordinal,
               t.speaker,
               t.text,
               t.interrupted,
               t.latency_ms,
               t.at
          FROM conversation_turns t
          JOIN attempts a ON a.id = t.attempt_id
          LEFT JOIN campaigns c ON c.id = a.campaign_id
        """,
        {
            "attempt_id": "of analytics.attempts",
            "campaign_id": "of analytics.campaigns; null: a test call",
            "campaign": "its name",
            "contact_id": "of analytics.contacts",
            "seq": "order within the call, over all its sessions",
            "session_ordinal": "1, then one more each time the conversation was resumed",
            "speaker": "agent, person, key (a key press) or note (ours, not said)",
            "text": "what was said",
            "interrupted": "the person spoke before it was said to its end",
            "latency_ms": "from the end of the person's words to our first ones, milliseconds",
            "at": "when",
        },
    ),
    "answers": (
        """One row per question that was answered in a conversation, as it was given (not redacted).""",
        """
        SELECT w.attempt_id,
               a.campaign_id,
               c.name AS campaign,
               a.contact_id,
               k.external_id,
               a.phone,
               w.question,
               w.value #>> '{}' AS answer,
               w.value,
               w.at
          FROM answers w
          JOIN attempts a ON a.id = w.attempt_id
          LEFT JOIN campaigns c ON c.id = a.campaign_id
          LEFT JOIN contacts k ON k.id = a.contact_id
        """,
        {
            "attempt_id": "of analytics.attempts",
            "campaign_id": "of analytics.campaigns; null: a test call",
            "campaign": "its name",
            "contact_id": "of analytics.contacts",
            "external_id": "the contact's id in your own system, from the list",
            "phone": "the number called, E.164",
            "question": "key of the question in the script",
            "answer": "as text",
            "value": "as JSON, typed",
            "at": "when it was gathered",
        },
    ),
    "decisions": (
        """One row per rule that said no, in each decision that differed from the one before: why people were
        not called. Decisions to allow have one row without a rule.""",
        """
        SELECT d.id AS decision_id,
               d.campaign_id,
               c.name AS campaign,
               cc.contact_id,
               d.phone,
               d.verdict,
               d.until_at,
               d.decided_at,
               r.value ->> 'rule' AS rule,
               r.value ->> 'verdict' AS rule_verdict,
               r.value ->> 'why' AS why,
               r.value ->> 'source' AS source
          FROM decisions d
          JOIN campaigns c ON c.id = d.campaign_id
          JOIN campaign_contacts cc ON cc.id = d.campaign_contact_id
          LEFT JOIN LATERAL jsonb_array_elements(
                CASE jsonb_typeof(d.reasons) WHEN 'object' THEN d.reasons -> 'reasons' ELSE d.reasons END)
                AS r ON r.value ->> 'verdict' <> 'allow'
        """,
        {
            "decision_id": "one decision may have several rows, one per rule that said no",
            "campaign_id": "of analytics.campaigns",
            "campaign": "its name",
            "contact_id": "of analytics.contacts",
            "phone": "the number that it was about, E.164",
            "verdict": "of the whole decision: allow, defer or block",
            "until_at": "deferred until",
            "decided_at": "when",
            "rule": "id of the rule that said no, e.g. US-FL.hours or dnc.own",
            "rule_verdict": "what it said: defer or block",
            "why": "in plain words",
            "source": "the law or regulation it comes from",
        },
    ),
}
"""View → (what a row is, its SELECT, column → meaning)."""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA analytics")
    op.execute(
        "COMMENT ON SCHEMA analytics IS "
        + _quoted("Views for analysts. They only grow; a column keeps its name and meaning.")
    )
    for view, (comment, select, columns) in VIEWS.items():
        op.execute(f"CREATE VIEW analytics.{view} AS {select}")
        op.execute(f"COMMENT ON VIEW analytics.{view} IS {_quoted(comment)}")
        for column, meaning in columns.items():
            op.execute(f"COMMENT ON COLUMN analytics.{view}.{column} IS {_quoted(meaning)}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for view in reversed(VIEWS):
        op.execute(f"DROP VIEW analytics.{view}")
    op.execute("DROP SCHEMA analytics")


def _quoted(words: str) -> str:
    one_line = " ".join(words.split()).replace("'", "''")
    return f"'{one_line}'"
