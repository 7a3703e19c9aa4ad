"""What became of a campaign, and how it stands: figures for the report, the status, the API and the demo.

Every total reconciles: each enrolled contact is in exactly one row of `standing`, and each attempt is in
exactly one row of `outcomes` or is under way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from campaign.domain.disposition import MEANING, Disposition
from campaign.store.database import Tx

WENT_ON: Final = "the conversation went on"
"""What became of a resumption that succeeded (store/outcomes.py)."""
_CONNECTS: Final = [one.value for one, meaning in MEANING.items() if meaning.connect]
_TALKS: Final = [one.value for one, meaning in MEANING.items() if meaning.by_conversation]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel: how many contacts came so far."""

    step: str
    words: str
    contacts: int


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """All attempts that ended with one disposition, and the contacts of which it is the last word.

    Args:
        seconds: of connection, together.
        cost: together, in the campaign's currency; None while nothing is known of it.
    """

    disposition: str
    category: str
    words: str
    attempts: int
    contacts: int
    seconds: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Contacts that are not done, by what they wait for or what blocks them.

    Args:
        state: waiting, calling or blocked.
        rule: the rule that defers or blocks, e.g. "dnc.own"; None when they only wait for their turn.
        called: whether they have been called before.
        sentence: one contact's reason in plain words, as an example.
        next_at: when the first of them is due.
    """

    state: str
    rule: str | None
    called: bool
    contacts: int
    sentence: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Calls whose conversation broke off: what was answered, what became of it, how often."""

    answer: str
    became: str
    calls: int


@dataclass(frozen=True, slots=True)
class CallsIn:
    """Calls that people made to us on this campaign, by how they ended; no part of any other figure.

    Args:
        disposition: None while they go on.
    """

    disposition: str | None
    words: str
    calls: int
    seconds: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """From the answer to our first word, milliseconds; None when nobody answered yet."""

    calls: int
    p50: int | None
    p95: int | None
    p99: int | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class ReplyLatency:
    """From the person's last word to the first of our reply, milliseconds; None when nobody spoke yet."""

    turns: int
    p50: int | None
    p95: int | None
    p99: int | None
    longest: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign's report.

    Args:
        attempts: by why they were made: first, retry, callback.
        went_on: of the conversations that broke off, the share that went on in a new session; None: none did.
        abandoned: calls that a person answered and that we did not serve in time.
        cost: all outcomes' cost together, None while nothing is known.
    """

    campaign_id: int
    campaign: str
    state: str
    state_why: str | None
    started_at: datetime | None
    ended_at: datetime | None
    currency: str
    funnel: Sequence[Step]
    outcomes: Sequence[OutcomeRow]
    standing: Sequence[Standing]
    attempts: dict[str, int]
    recoveries: Sequence[Recovery]
    went_on: float | None
    calls_in: Sequence[CallsIn]
    first_word: Latency
    replies: ReplyLatency
    abandoned: int
    seconds: int
    cost: float | None


async def report(tx: Tx, campaign_id: int) -> Report:
    """Everything that a campaign's report tells.

    Args:
        campaign_id: of a campaign that exists.
    """
    head = (
        await tx.execute(
            text(
                """
                SELECT c.id, c.name, c.state, c.state_why, c.started_at, c.ended_at,
                       coalesce(v.definition -> 'budget' ->> 'currency', 'USD') AS currency
                  FROM campaigns c
                  JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version
                 WHERE c.id = :id
                """
            ),
            {"id": campaign_id},
        )
    ).one()
    outcomes = await outcome_rows(tx, campaign_id)
    costs = [row.cost for row in outcomes if row.cost is not None]
    recovered = await recoveries(tx, campaign_id)
    return Report(
        campaign_id=head.id,
        campaign=head.name,
        state=head.state,
        state_why=head.state_why,
        started_at=head.started_at,
        ended_at=head.ended_at,
        currency=head.currency,
        funnel=await funnel(tx, campaign_id),
        outcomes=outcomes,
        standing=await standing(tx, campaign_id),
        attempts=await attempts_by_reason(tx, campaign_id),
        recoveries=recovered,
        went_on=went_on(recovered),
        calls_in=await calls_in(tx, campaign_id),
        first_word=await first_word(tx, campaign_id),
        replies=await replies(tx, campaign_id),
        abandoned=await abandoned(tx, campaign_id),
        seconds=sum(row.seconds for row in outcomes),
        cost=sum(costs) if costs else None,
    )


async def funnel(tx: Tx, campaign_id: int) -> list[Step]:
    """Contacts enrolled, called, answered, reached, talked with, won."""
    row = (
        await tx.execute(
            text(
                """
                WITH per_contact AS (
                    SELECT cc.id,
                           count(a.id) FILTER (WHERE a.state <> 'not_placed') > 0 AS called,
                           bool_or(a.answered_at IS NOT NULL) AS answered,
                           bool_or(o.disposition = ANY(:connects)) AS reached,
                           bool_or(o.disposition = ANY(:talks) AND o.disposition <> 'no_conversation')
                               AS talked,
                           bool_or(o.category = 'success') AS won
                      FROM campaign_contacts cc
                      LEFT JOIN attempts a ON a.campaign_contact_id = cc.id
                      LEFT JOIN outcomes o ON o.attempt_id = a.id
                     WHERE cc.campaign_id = :id
                     GROUP BY cc.id
                )
                SELECT count(*) AS enrolled,
                       count(*) FILTER (WHERE called) AS called,
                       count(*) FILTER (WHERE answered) AS answered,
                       count(*) FILTER (WHERE reached) AS reached,
                       count(*) FILTER (WHERE talked) AS talked,
                       count(*) FILTER (WHERE won) AS won
                  FROM per_contact
                """
            ),
            {"id": campaign_id, "connects": _CONNECTS, "talks": _TALKS},
        )
    ).one()
    words = {
        "enrolled": "contacts in the campaign",
        "called": "called at least once",
        "answered": "picked up by anyone or anything",
        "reached": "a person picked up",
        "talked": "talked with us",
        "won": "success",
    }
    return [Step(step, words[step], int(getattr(row, step))) for step in words]


async def outcome_rows(tx: Tx, campaign_id: int) -> list[OutcomeRow]:
    """Attempts and contacts by disposition: successes first, then by number."""
    rows = await tx.execute(
        text(
            """
            WITH ended AS (
                SELECT disposition, count(*) AS attempts, sum(seconds) AS seconds,
                       CAST(sum(cost) AS float8) AS cost
                  FROM outcomes WHERE campaign_id = :id GROUP BY disposition
            ), last AS (
                SELECT disposition, count(*) AS contacts
                  FROM campaign_contacts WHERE campaign_id = :id AND disposition IS NOT NULL
                 GROUP BY disposition
            )
            SELECT disposition, coalesce(attempts, 0) AS attempts, coalesce(contacts, 0) AS contacts,
                   coalesce(seconds, 0) AS seconds, cost
              FROM ended FULL JOIN last USING (disposition)
            """
        ),
        {"id": campaign_id},
    )
    found = [
        OutcomeRow(
            row.disposition,
            MEANING[Disposition(row.disposition)].category.value,
            MEANING[Disposition(row.disposition)].words,
            row.attempts,
            row.contacts,
            int(row.seconds),
            row.cost,
        )
        for row in rows
    ]
    order = {"success": 0, "neutral": 1, "failure": 2}
    return sorted(found, key=lambda row: (order[row.category], -row.contacts, row.disposition))


async def standing(tx: Tx, campaign_id: int) -> list[Standing]:
    """Who is not done, and why: one row per rule, with one contact's reason as an example."""
    rows = await tx.execute(
        text(
            """
            SELECT g.state, g.rule, g.called, g.contacts, g.next_at,
                   (SELECT r ->> 'why'
                      FROM decisions d,
                           jsonb_array_elements(CASE jsonb_typeof(d.reasons) WHEN 'object'
                                                THEN d.reasons -> 'reasons' ELSE d.reasons END) AS r
                     WHERE d.campaign_contact_id = g.example AND r ->> 'rule' = g.rule
                       AND r ->> 'verdict' <> 'allow'
                     ORDER BY d.id DESC LIMIT 1) AS sentence
              FROM (SELECT cc.state, cc.waiting_for AS rule, cc.disposition IS NOT NULL AS called,
                           count(*) AS contacts, min(cc.next_at) AS next_at, max(cc.id) AS example
                      FROM campaign_contacts cc
                     WHERE cc.campaign_id = :id AND cc.state <> 'done'
                     GROUP BY 1, 2, 3) AS g
             ORDER BY g.state, g.contacts DESC, g.rule
            """
        ),
        {"id": campaign_id},
    )
    return [
        Standing(
            row.state,
            row.rule,
            row.called,
            row.contacts,
            row.sentence or _WAITS[(row.state, row.called)],
            row.next_at,
        )
        for row in rows
    ]


_WAITS: Final = {
    ("waiting", False): "Waits for its first call.",
    ("waiting", True): "Waits for another try.",
    ("calling", False): "Is being called.",
    ("calling", True): "Is being called again.",
    ("blocked", False): "Must not be called; campaign explain NUMBER tells why.",
    ("blocked", True): "Must not be called again; campaign explain NUMBER tells why.",
}


async def attempts_by_reason(tx: Tx, campaign_id: int) -> dict[str, int]:
    """How many attempts were made, by why: first, retry, callback."""
    rows = await tx.execute(
        text(
            "SELECT due_for, count(*) AS n FROM attempts WHERE campaign_id = :id AND kind <> 'inbound' "
            "GROUP BY due_for"
        ),
        {"id": campaign_id},
    )
    return {"first": 0, "retry": 0, "callback": 0} | {row.due_for: row.n for row in rows}


async def recoveries(tx: Tx, campaign_id: int) -> list[Recovery]:
    """What was answered when a conversation broke off or handed over, and what became of it.

    A conversation that came to its end, or whose person hung up, has nothing to recover.
    """
    rows = await tx.execute(
        text(
            """
            SELECT r.answer, coalesce(r.became, 'not known yet') AS became, count(*) AS calls
              FROM recoveries r JOIN attempts a ON a.id = r.attempt_id
             WHERE a.campaign_id = :id AND (r.answer <> 'hang_up' OR r.session_status = 'failed')
             GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
            """
        ),
        {"id": campaign_id},
    )
    return [Recovery(row.answer, row.became, row.calls) for row in rows]


def went_on(found: Sequence[Recovery]) -> float | None:
    """Of the conversations that were to be resumed, the share that was."""
    resumed = [one for one in found if one.answer == "resume"]
    total = sum(one.calls for one in resumed)
    return sum(one.calls for one in resumed if one.became == WENT_ON) / total if total else None


async def calls_in(tx: Tx, campaign_id: int) -> list[CallsIn]:
    """Calls that people made to us on a campaign."""
    rows = await tx.execute(
        text(
            """
            SELECT o.disposition, count(*) AS calls, coalesce(sum(o.seconds), 0) AS seconds,
                   CAST(sum(o.cost) AS float8) AS cost
              FROM attempts a LEFT JOIN outcomes o ON o.attempt_id = a.id
             WHERE a.campaign_id = :id AND a.kind = 'inbound'
             GROUP BY 1 ORDER BY 2 DESC, 1
            """
        ),
        {"id": campaign_id},
    )
    return [
        CallsIn(
            row.disposition,
            MEANING[Disposition(row.disposition)].words if row.disposition else "going on",
            row.calls,
            row.seconds,
            row.cost,
        )
        for row in rows
    ]


async def first_word(tx: Tx, campaign_id: int) -> Latency:
    """How soon we spoke after the answer."""
    row = (
        await tx.execute(
            text(
                """
                SELECT count(first_word_ms) AS calls, max(first_word_ms) AS longest,
                       percentile_disc(0.5) WITHIN GROUP (ORDER BY first_word_ms) AS p50,
                       percentile_disc(0.95) WITHIN GROUP (ORDER BY first_word_ms) AS p95,
                       percentile_disc(0.99) WITHIN GROUP (ORDER BY first_word_ms) AS p99
                  FROM outcomes WHERE campaign_id = :id
                """
            ),
            {"id": campaign_id},
        )
    ).one()
    return Latency(row.calls, row.p50, row.p95, row.p99, row.longest)


async def replies(tx: Tx, campaign_id: int) -> ReplyLatency:
    """How soon our replies began, of those that were heard."""
    row = (
        await tx.execute(
            text(
                """
                SELECT count(t.latency_ms) AS turns, max(t.latency_ms) AS longest,
                       percentile_disc(0.5) WITHIN GROUP (ORDER BY t.latency_ms) AS p50,
                       percentile_disc(0.95) WITHIN GROUP (ORDER BY t.latency_ms) AS p95,
                       percentile_disc(0.99) WITHIN GROUP (ORDER BY t.latency_ms) AS p99
                  FROM attempts a
                  JOIN conversation_turns t ON t.attempt_id = a.id AND t.latency_ms IS NOT NULL
                 WHERE a.campaign_id = :id
                """
            ),
            {"id": campaign_id},
        )
    ).one()
    return ReplyLatency(row.turns, row.p50, row.p95, row.p99, row.longest)


async def abandoned(tx: Tx, campaign_id: int) -> int:
    """Calls that a person answered and that we did not serve in time."""
    found: int = (
        await tx.execute(
            text("SELECT count(*) FROM outcomes WHERE campaign_id = :id AND abandoned"), {"id": campaign_id}
        )
    ).scalar_one()
    return found


# ── how it stands now ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Group:
    """Contacts that are waiting and not due yet, or blocked, by what holds them.

    Args:
        rule: that deferred or blocked them; None: they wait for the instant that was planned for them.
        due_for: first, retry or callback.
        next_at: when the first of them is due; None for blocked ones.
    """

    state: str
    rule: str | None
    due_for: str
    contacts: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a campaign stands at one moment.

    Args:
        contacts: by state: waiting, calling, done, blocked.
        due: waiting contacts whose time has come; they wait only for the pace and a free line.
        next_at: when the next waiting contact is due; None when none waits.
        calls: attempts under way, by state: placing, unknown, placed, ringing, answered.
        started_10s: calls that went out in the last ten seconds.
        ended_60s: contacts that came to an end in the last minute.
        dispositions: contacts by the disposition of their last attempt.
        waiting_for: waiting contacts by the rule that defers them.
        blocked_by: blocked contacts by rule.
        spent_today, spent: money spent or reserved, this UTC day and in all.
        held: who waits for what, and who is blocked; without those who are due.
    """

    at: datetime
    contacts: dict[str, int]
    due: int
    next_at: datetime | None
    calls: dict[str, int]
    started_10s: int
    ended_60s: int
    dispositions: dict[str, int]
    waiting_for: dict[str, int]
    blocked_by: dict[str, int]
    spent_today: float
    spent: float
    held: Sequence[Group] = ()

    @property
    def total(self) -> int:
        """Contacts enrolled."""
        return sum(self.contacts.values())

    @property
    def finished(self) -> int:
        """Contacts of whom nothing is expected any more: done or blocked."""
        return self.contacts.get("done", 0) + self.contacts.get("blocked", 0)

    @property
    def calls_up(self) -> int:
        """Calls under way, without those of which nobody can say whether they are."""
        return sum(self.calls.values()) - self.calls.get("unknown", 0)

    @property
    def seconds_left(self) -> float | None:
        """A guess from the last minute's rate for those who are due or being called; None without one."""
        open_now = self.due + self.contacts.get("calling", 0)
        return open_now / self.ended_60s * 60 if self.ended_60s else None


async def status(tx: Tx, campaign_id: int, now: datetime) -> Status:
    """How a campaign stands now."""
    groups = (
        await tx.execute(
            text(
                """
                SELECT state, disposition, CASE WHEN state IN ('waiting', 'blocked') THEN waiting_for END
                       AS rule, due_for,
                       count(*) AS contacts, count(*) FILTER (WHERE next_at <= :now) AS due,
                       min(next_at) FILTER (WHERE next_at > :now) AS next_at,
                       count(*) FILTER (WHERE state = 'done' AND updated_at > :minute_ago) AS ended
                  FROM campaign_contacts WHERE campaign_id = :id GROUP BY 1, 2, 3, 4
                """
            ),
            {"id": campaign_id, "now": now, "minute_ago": now - timedelta(minutes=1)},
        )
    ).all()
    calls = await tx.execute(
        text(
            """
            SELECT state, count(*) AS calls FROM attempts
             WHERE campaign_id = :id AND settled_at IS NULL AND kind <> 'inbound' GROUP BY state
            """
        ),
        {"id": campaign_id},
    )
    spent_today, spent = await money(tx, campaign_id, now)
    return Status(
        at=now,
        contacts=_summed(groups, "state"),
        due=sum(row.due for row in groups),
        next_at=min((row.next_at for row in groups if row.next_at is not None), default=None),
        calls={row.state: row.calls for row in calls},
        started_10s=await started_lately(tx, campaign_id, now),
        ended_60s=sum(row.ended for row in groups),
        dispositions=_summed(groups, "disposition"),
        waiting_for=_summed([row for row in groups if row.state == "waiting"], "rule"),
        blocked_by=_summed([row for row in groups if row.state == "blocked"], "rule"),
        spent_today=spent_today,
        spent=spent,
        held=[
            Group(row.state, row.rule, row.due_for, row.contacts - row.due, row.next_at)
            for row in groups
            if row.state in ("waiting", "blocked") and row.contacts > row.due
        ],
    )


async def started_lately(tx: Tx, campaign_id: int, now: datetime) -> int:
    """Calls of a campaign that went out in the last ten seconds."""
    found: int = (
        await tx.execute(
            text(
                """
                SELECT count(*) FROM attempts
                 WHERE campaign_id = :id AND intent_at > :earlier AND sent_at > :since
                """
            ),
            {"id": campaign_id, "since": now - timedelta(seconds=10), "earlier": now - timedelta(seconds=20)},
        )
    ).scalar_one()
    return found


async def money(tx: Tx, campaign_id: int, now: datetime) -> tuple[float, float]:
    """What a campaign has spent or reserved, this UTC day and in all."""
    row = (
        await tx.execute(
            text(
                """
                SELECT CAST(coalesce(sum(reserved + spent) FILTER (WHERE day = :day), 0) AS float8) AS today,
                       CAST(coalesce(sum(reserved + spent), 0) AS float8) AS total
                  FROM campaign_spend WHERE campaign_id = :id
                """
            ),
            {"id": campaign_id, "day": now.astimezone(UTC).date()},
        )
    ).one()
    return row.today, row.total


def _summed(groups: Sequence[Any], key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in groups:
        name = getattr(row, key)
        if name is not None:
            found[name] = found.get(name, 0) + row.contacts
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


async def progress_of_all(tx: Tx) -> dict[int, tuple[int, int]]:
    """Campaign id → (contacts, of these finished), for the list of campaigns."""
    rows = await tx.execute(
        text(
            """
            SELECT campaign_id, count(*) AS contacts,
                   count(*) FILTER (WHERE state IN ('done', 'blocked')) AS finished
              FROM campaign_contacts GROUP BY campaign_id
            """
        )
    )
    return {row.campaign_id: (row.contacts, row.finished) for row in rows}
