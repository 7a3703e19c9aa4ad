"""After the call: a model writes its record, and what the transcript bears out is kept.

The outcome never waits for it: it stands, with a summary by rule, before a wrap-up is due. One row at a time
is claimed by one statement with a lease, so that a process that is killed loses nothing but the request; all
that came of it is written in one transaction, and whoever lost the lease writes nothing. It runs beside the
ticks of the scheduler's process, one request at a time, never in the way of a talk.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from campaign.agent.protocol import Agent, AgentError, Context, Text
from campaign.domain.campaign import stored
from campaign.domain.clock import Clock
from campaign.domain.dialogue import Message, ToolRequest
from campaign.domain.disposition import Disposition
from campaign.domain.errors import CampaignError, Conflict
from campaign.domain.redaction import redact
from campaign.domain.script import Script
from campaign.domain.wrap_up import (
    INSTRUCTIONS,
    PROMPT_VERSION,
    TOOL,
    Checked,
    Extract,
    Unreadable,
    check,
    material,
    read,
    tool,
)
from campaign.flow import made_with, outcomes
from campaign.flow.outcomes import REAL_TIME, Terms
from campaign.flow.sessions import zone_of
from campaign.flow.suppress import Asked, opt_out_in
from campaign.flow.talk import NamedAgents
from campaign.store import attempts, campaigns, conversations, wrap_ups
from campaign.store.accounts import audit
from campaign.store.attempts import Attempt
from campaign.store.database import Database, Tx
from campaign.store.wrap_ups import Claimed

log = structlog.get_logger(__name__)

LEASE_S: Final = 180.0
"""Real seconds for which a claimed wrap-up is nobody else's; longer than any request lasts."""
REPLY_S: Final = 60.0
"""Real seconds for a model's whole reply, and as many for a mended one."""
MOST_TRIES: Final = 5
FIRST_WAIT: Final = timedelta(minutes=1)
"""Before the second try; each further wait is four times as long."""
AT_ONCE: Final = 20
"""Calls wrapped up per tick at most, one after the other."""
LONGEST_REPLY: Final = 50_000


@dataclass(frozen=True, slots=True)
class _Material:
    attempt: Attempt
    script: Script
    turns: Sequence[tuple[str, str]]
    answers: Mapping[str, Any]
    concluded: str | None
    local_at: datetime


class _Failed(Exception):
    """A try that came to nothing; `more`: requests beyond the first; `for_good`: no use in another."""

    def __init__(self, why: str, *, more: int = 0, for_good: bool = False) -> None:
        super().__init__(why)
        self.why = redact(why)  # a server's refusal may echo what was said
        self.more = more
        self.for_good = for_good


class WrapUps:
    """Writes the records that are due.

    Args:
        db: of the scheduler's lease holder.
        agents: models by profile.
        terms: for the outcomes that a wrap-up refines.
    """

    def __init__(self, db: Database, clock: Clock, agents: NamedAgents, terms: Terms = REAL_TIME) -> None:
        self._db = db
        self._clock = clock
        self._agents = agents
        self._terms = terms

    async def tick(self, now: datetime) -> int:
        """What is due, up to a bound; returns how many were tried."""
        for count in range(AT_ONCE):
            if not await self.one():
                return count
        return AT_ONCE

    async def one(self) -> bool:
        """The next one that is due; False: there was none."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            lease = timedelta(seconds=LEASE_S * self._clock.rate)
            claimed = await wrap_ups.claim(tx, now, now + lease)
        if claimed is None:
            return False
        try:
            await self._wrap_up(claimed)
        except _Failed as failure:
            await self._give_back(claimed, failure)
        except CampaignError:  # the database is away, or the lease is lost: the row's own lease runs out
            raise
        except Exception as error:  # the loop's edge: one call that can't be wrapped up must not be for ever
            log.error(
                "wrap_up_broke", attempt=claimed.attempt_id, error=redact(str(error)[:500]), exc_info=True
            )
            await self._give_back(claimed, _Failed(type(error).__name__))
        return True

    async def _wrap_up(self, claimed: Claimed) -> None:
        if claimed.tries > MOST_TRIES:
            raise _Failed("whoever tried was gone before it was done", for_good=True)
        found = await self._gather(claimed)
        extract, mended = await self._ask(claimed, found)
        await self._keep(claimed, found, extract, mended)

    async def _gather(self, claimed: Claimed) -> _Material:
        async with self._db.connection() as tx:
            attempt = await attempts.by_id(tx, claimed.attempt_id)
            definition = await made_with.definition(tx, attempt) if attempt is not None else None
            if attempt is None or definition is None:
                raise _Failed("the call's definition is gone", for_good=True)
            turns = await conversations.turns(tx, attempt.id)
            said = [(row.speaker, row.text) for row in turns]
            if not any(who == "person" for who, _ in said):
                raise _Failed("the person said nothing that was written down", for_good=True)
            where = await wrap_ups.whereabouts(tx, attempt.id)
            at = attempt.answered_at or attempt.intent_at
            return _Material(
                attempt,
                definition.script,
                said,
                await conversations.answers(tx, attempt.id),
                await wrap_ups.concluded(tx, attempt.id, attempt.talk_disposition),
                at.astimezone(zone_of(where.said_zone, where.place)),
            )

    # ── asking ─────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, claimed: Claimed, found: _Material) -> tuple[Extract, bool]:
        """What the model says, and whether it had to mend its reply once."""
        agent = self._agents.named(claimed.profile)
        if agent is None:
            raise _Failed(f"the settings know no profile {claimed.profile!r}")
        data = material(found.script, found.turns, found.answers, found.local_at.date())
        history = [Message("person", data)]
        reply, text = await self._reply(agent, history, found, 0)
        try:
            return read(reply), False
        except Unreadable as wrong:
            history += [Message("agent", text or reply[:2000]), Message("note", str(wrong))]
        reply, _ = await self._reply(agent, history, found, 1)
        try:
            return read(reply), True
        except Unreadable as wrong:
            raise _Failed(f"its reply could not be read, nor the mended one: {wrong}", more=1) from None

    async def _reply(
        self, agent: Agent, history: Sequence[Message], found: _Material, more: int
    ) -> tuple[str, str]:
        """The tool's arguments, else the reply's text; and the text alone."""
        context = Context(found.script, {}, {}, found.local_at, {}, INSTRUCTIONS)
        text, arguments = "", ""
        try:
            async with asyncio.timeout(REPLY_S):
                async for piece in agent.reply(history, (tool(found.script),), context):
                    if isinstance(piece, Text):
                        text += piece.text
                    elif isinstance(piece, ToolRequest) and piece.name == TOOL:
                        arguments = arguments or piece.arguments
                    if len(text) + len(arguments) > LONGEST_REPLY:
                        raise _Failed("its reply had no end", more=more)
        except (AgentError, TimeoutError) as error:
            raise _Failed(str(error) or "no reply in time", more=more) from None
        return arguments or text, text

    # ── keeping ────────────────────────────────────────────────────────────────────────────────────────

    async def _keep(self, claimed: Claimed, found: _Material, extract: Extract, mended: bool) -> None:
        """All that came of it, or nothing: one transaction, if the row is still ours."""
        now = self._clock.now()
        attempt = found.attempt
        concluded = Disposition(found.concluded) if found.concluded else None
        checked = check(
            found.script,
            extract,
            found.turns,
            concluded,
            found.answers,
            found.local_at,
            (attempt.phone,),
        )
        if not checked.summary:
            raise _Failed("nothing of its summary was borne out by the transcript", more=int(mended))
        async with self._db.transaction() as tx:
            if not await conversations.hold(tx, [attempt.id]) or not await wrap_ups.held(tx, claimed):
                log.info("wrap_up_lost", attempt=attempt.id)
                return
            await self._apply(tx, claimed, found, checked, now)
            kept = wrap_ups.Result(
                PROMPT_VERSION,
                found.concluded,
                checked.disposition.value if checked.disposition else None,
                checked.summary,
                checked.answers,
                checked.refused,
                mended,
            )
            await wrap_ups.done(tx, claimed, kept, now)
            await outcomes.close(tx, attempt.id, now, self._terms, news=True)
        log.info("wrapped_up", attempt=attempt.id, profile=claimed.profile, refused=len(checked.refused))

    async def _apply(
        self, tx: Tx, claimed: Claimed, found: _Material, checked: Checked, now: datetime
    ) -> None:
        attempt = found.attempt
        await wrap_ups.correct(tx, attempt.id, checked.answers, claimed.profile, now)
        await wrap_ups.write_summary(tx, attempt.id, checked.summary, claimed.profile)
        if checked.opt_out is not None:
            asked = Asked(
                attempt.phone,
                checked.opt_out,
                "conversation",
                f"system:wrap-up {attempt.id}",
                attempt.ended_at or now,
                attempt.id,
            )
            await opt_out_in(tx, asked, now)
        finer = checked.disposition.value if checked.disposition else found.concluded
        if finer != attempt.talk_disposition:
            await wrap_ups.conclude(tx, attempt.id, finer)

    async def _give_back(self, claimed: Claimed, failure: _Failed) -> None:
        now = self._clock.now()
        over = failure.for_good or claimed.tries >= MOST_TRIES
        again_at = None if over else now + FIRST_WAIT * 4 ** (claimed.tries - 1)
        async with self._db.transaction() as tx:
            if not await conversations.hold(tx, [claimed.attempt_id]):
                return
            if not await wrap_ups.held(tx, claimed):
                return
            await wrap_ups.failed(tx, claimed, failure.why, now, again_at, more=failure.more)
            await outcomes.close(tx, claimed.attempt_id, now, self._terms)  # what the requests cost
        log.warning("wrap_up_failed", attempt=claimed.attempt_id, why=failure.why[:200], again_at=again_at)


async def ask(
    db: Database, name: str, *, profile: str | None, again: bool, actor: str, now: datetime
) -> tuple[int, wrap_ups.Standing]:
    """Make the talks of a campaign due to be wrapped up by a model.

    Args:
        name: the campaign's.
        profile: None: the one that the campaign names.
        again: also those of which a record was written.

    Returns:
        how many became due, and how all of them stand.

    Raises:
        NotFound: there is no such campaign. Conflict: it names no profile, and none is given.
    """
    async with db.transaction() as tx:
        row = await campaigns.find(tx, name)
        named = profile or await _profile(tx, row.id)
        if named is None:
            raise Conflict(
                f'Campaign "{row.name}" names no model profile for wrap-ups; its summaries are made by rule.',
                "Give one: --profile NAME, or write it under [wrap_up] in the campaign's file.",
            )
        due = await wrap_ups.ask(tx, row.id, named, again=again, actor=actor, now=now)
        detail = {"profile": named, "again": again, "calls": due}
        await audit(tx, actor, "campaign.wrap_up", f"campaign:{row.id}", now, detail)
        return due, await wrap_ups.standing(tx, row.id)


async def _profile(tx: Tx, campaign_id: int) -> str | None:
    return stored(await campaigns.definition(tx, campaign_id)).wrap_up.profile
