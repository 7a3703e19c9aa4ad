"""Calls are found by any filters together, newest first, page by page, however few there are among many."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from campaign.store import call_search
from campaign.store.call_search import Wanted
from campaign.store.database import Database
from tests.support import rows
from tests.support.clock import TUESDAY_MORNING as NOW

ENDED = {"state": "ended", "settled_at": NOW}


@pytest.fixture
async def calls(db: Database) -> list[int]:
    """Twelve calls a minute apart, oldest first: every third is interested and long, the rest no answer."""
    made = []
    async with db.transaction() as tx:
        campaign = await rows.campaign(tx, NOW)
        other = await rows.campaign(tx, NOW, name="other")
        for n in range(12):
            at = NOW + timedelta(minutes=n)
            phone = f"+1212555{n:04}"
            contact = await rows.contact(tx, NOW, phone=phone)
            attempt = await rows.attempt(
                tx,
                at,
                marker=f"m{n}",
                phone=phone,
                contact_id=contact,
                campaign_id=campaign if n < 8 else other,
                caller_id=rows.CALLER if n % 2 else "+12125550101",
                answered_by="human" if n % 3 == 0 else None,
                **ENDED,
            )
            code = "interested" if n % 3 == 0 else "no_answer"
            await tx.execute(
                text(
                    "INSERT INTO outcomes (attempt_id, campaign_id, disposition, category, seconds, final, "
                    "recorded_at) VALUES (:id, :campaign, :code, :category, :seconds, true, :at)"
                ),
                {
                    "id": attempt,
                    "campaign": campaign if n < 8 else other,
                    "code": code,
                    "category": "success" if code == "interested" else "neutral",
                    "seconds": 10 * n if n % 3 == 0 else 0,
                    "at": at,
                },
            )
            if n % 3 == 0:
                said = "The price of solar panels is too high" if n == 6 else "Yes, please tell me more"
                await tx.execute(
                    text(
                        "INSERT INTO conversation_turns (attempt_id, seq, session_ordinal, speaker, text, "
                        "at) VALUES (:id, 1, 1, 'person', :said, :at)"
                    ),
                    {"id": attempt, "said": said, "at": at},
                )
            made.append(attempt)
    return made


async def found(db: Database, wanted: Wanted, **more) -> list[int]:
    """All pages, in order."""
    ids, after = [], None
    async with db.connection() as tx:
        while True:
            page = await call_search.search(tx, wanted, after, more.get("limit", 5), more.get("looks", 100))
            ids += [row.id for row in page.rows]
            if page.next is None:
                return ids
            after = page.next


CASES = {
    "nothing asked": (Wanted(), range(12)),
    "disposition": (Wanted(dispositions=("interested",)), (0, 3, 6, 9)),
    "several dispositions": (Wanted(dispositions=("interested", "no_answer")), range(12)),
    "category": (Wanted(category="success"), (0, 3, 6, 9)),
    "answered by": (Wanted(answered_by="human"), (0, 3, 6, 9)),
    "caller id": (Wanted(caller_id="+12125550101"), (0, 2, 4, 6, 8, 10)),
    "number": (Wanted(phones=("+12125550004",)), (4,)),
    "span": (Wanted(since=NOW + timedelta(minutes=3), until=NOW + timedelta(minutes=6)), (3, 4, 5)),
    "length": (Wanted(shortest=30, longest=60), (3, 6)),
    "a word": (Wanted(words="price"), (6,)),
    "words of one turn": (Wanted(words="solar high"), (6,)),
    "a phrase": (Wanted(words='"tell me more"'), (0, 3, 9)),
    "a word and not another": (Wanted(words="the -price"), ()),
    "words together with more": (Wanted(words="please", shortest=1), (3, 9)),
    "nobody": (Wanted(dispositions=("fax",)), ()),
    "odd words": (Wanted(words="((' & !"), ()),
}


@pytest.mark.parametrize("case", CASES)
async def test_calls_are_found_by(db: Database, calls: list[int], case: str):
    wanted, expected = CASES[case]
    assert await found(db, wanted) == [calls[n] for n in reversed(list(expected))]


async def test_calls_are_found_by_campaign_and_by_list(db: Database, calls: list[int]):
    one = await rows.row(db, "campaigns", "name = 'other'")
    people = await rows.row(db, "contact_lists")
    assert await found(db, Wanted(campaign_id=one["id"])) == list(reversed(calls[8:]))
    assert await found(db, Wanted(list_id=people["id"])) == list(reversed(calls))
    assert await found(db, Wanted(list_id=people["id"] + 1)) == []


@pytest.mark.parametrize("looks", [1, 2, 3, 5, 12, 50])
async def test_a_rare_call_is_found_however_few_are_looked_through_at_a_time(
    db: Database, calls: list[int], looks: int
):
    assert await found(db, Wanted(category="success"), looks=looks) == [calls[n] for n in (9, 6, 3, 0)]


async def test_a_page_that_is_not_full_says_how_far_back_was_looked(db: Database, calls: list[int]):
    async with db.connection() as tx:
        page = await call_search.search(tx, Wanted(dispositions=("fax",)), None, 5, looks=4)
        assert page.rows == []
        assert page.looked_back_to == NOW + timedelta(minutes=8)
        whole = await call_search.search(tx, Wanted(dispositions=("fax",)), None, 5, looks=13)
        assert (whole.next, whole.looked_back_to) == (None, None)


async def test_frequent_words_are_found_among_the_calls_that_are_looked_through(
    db: Database, calls: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(call_search, "FEW", 1)
    assert await found(db, Wanted(words="please"), looks=4) == [calls[9], calls[3], calls[0]]


async def test_searches_use_the_index_by_time_and_stop_early(db: Database, calls: list[int]):
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        for wanted, index in (
            (Wanted(), "ix_attempts_intent_at_id"),
            (Wanted(campaign_id=1), "ix_attempts_campaign_id_intent_at"),
            (replace(Wanted(), since=NOW), "ix_attempts_intent_at_id"),
        ):
            inner, _, given = call_search._conditions(wanted, None, None)
            plan = await tx.execute(
                text(
                    f"EXPLAIN SELECT * FROM attempts a WHERE {inner} "
                    "ORDER BY a.intent_at DESC, a.id DESC LIMIT 20"
                ),
                given,
            )
            shape = "\n".join(plan.scalars())
            assert index in shape, shape
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT attempt_id FROM conversation_turns WHERE to_tsvector('simple', text) "
                "@@ websearch_to_tsquery('simple', 'price') LIMIT 10"
            )
        )
        assert "ix_conversation_turns_words" in "\n".join(plan.scalars())
