"""Feeds: one poller for all who watch the same, none when nobody does, and the truth when it is blind."""

import asyncio
from datetime import datetime

import pytest

from campaign.domain.errors import DatabaseUnavailable, NotFound, Unavailable
from campaign.web import feeds
from campaign.web.feeds import Beat, Feed, Feeds
from tests.support.clock import ManualClock


class Question:
    """Something that can be looked at; counts how often it was."""

    def __init__(self) -> None:
        self.looks = 0
        self.fault: Exception | None = None

    async def look(self, now: datetime) -> int:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return self.looks


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "EVERY_S", 0.001)


def feed_of(question: Question) -> Feed[int]:
    return Feed(question.look, ManualClock().now)


async def first(feed: Feed[int]) -> Beat[int]:
    async for beat in feed.watch():
        return beat
    raise AssertionError("no beat came")


async def test_many_viewers_share_one_look_and_nobody_looks_when_they_have_gone():
    every, question = Feeds(), Question()
    async with every.watching("it", lambda: feed_of(question)) as feed:
        seen = await asyncio.gather(*(first(feed) for _ in range(50)))
        assert {beat.seen for beat in seen} == {1}
        async with every.watching("it", lambda: feed_of(Question())) as same:
            assert same is feed
            assert (await first(same)).seen == 1  # who comes later sees the last look at once
        assert every.viewers == 1
    assert every.about == frozenset()
    looks = question.looks
    await asyncio.sleep(0)
    assert question.looks == looks == 1


async def test_a_change_made_here_is_seen_at_once():
    every, question = Feeds(), Question()
    async with every.watching("it", lambda: feed_of(question)) as feed:
        seen = []
        async for beat in feed.watch():
            seen.append(beat.seen)
            every.hurry()
            if len(seen) == 3:
                break
        assert seen == [1, 2, 3]


async def test_a_blind_feed_says_so_keeps_what_it_saw_and_goes_on(quick: None):
    question = Question()
    async with Feeds().watching("it", lambda: feed_of(question)) as feed:
        told: list[Beat[int]] = []
        async for beat in feed.watch():
            if not told:
                question.fault = DatabaseUnavailable("Postgres at secret.example is away.")
            elif beat.trouble and question.fault:
                assert beat.seen == told[0].seen
                assert "secret" not in beat.trouble
                question.fault = None
            elif not beat.trouble and beat.number > told[0].number + 1:
                break
            told.append(beat)


async def test_a_bug_in_a_look_is_told_without_its_inside(quick: None):
    question = Question()
    question.fault = ZeroDivisionError("inside")
    async with Feeds().watching("it", lambda: feed_of(question)) as feed:
        beat = await first(feed)
    assert beat.seen is None
    assert "inside" not in beat.trouble.replace("inside the service", "")


async def test_a_feed_about_what_is_gone_is_over():
    question = Question()
    question.fault = NotFound("There is no campaign 9.")
    async with Feeds().watching("it", lambda: feed_of(question)) as feed:
        beats = [beat async for beat in feed.watch()]
    assert [(beat.over, beat.trouble) for beat in beats] == [(True, "There is no campaign 9.")]


async def test_viewers_and_questions_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "MOST_VIEWERS", 2)
    monkeypatch.setattr(feeds, "MOST_FEEDS", 1)
    every = Feeds()
    async with every.watching("it", lambda: feed_of(Question())):
        with pytest.raises(Unavailable):
            every.require_room("something else")
        async with every.watching("it", lambda: feed_of(Question())):
            with pytest.raises(Unavailable):
                async with every.watching("it", lambda: feed_of(Question())):
                    pass
    every.require_room("something else")
