"""The real dialler on a clock that a test moves: each step ends when nothing is on its way any more."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from campaign.store.database import Database, Tx
from campaign.telephony.gateway import (
    AccountFacts,
    CallFacts,
    CallRequest,
    Gateway,
    Leaves,
    PlaceResult,
)
from tests.support.clock import ManualClock

T = TypeVar("T")


class Work:
    """How many statements and requests are on their way."""

    def __init__(self) -> None:
        self.busy = 0

    async def done(self, coroutine: Coroutine[None, None, T]) -> T:
        self.busy += 1
        try:
            return await coroutine
        finally:
            self.busy -= 1

    async def idle(self) -> None:
        """Wait until nothing is on its way, and what that led to neither."""
        async with asyncio.timeout(80):
            while True:
                for _ in range(20):
                    await asyncio.sleep(0)
                if not self.busy:
                    return
                await asyncio.sleep(0.0005)


class WatchedDatabase(Database):
    """A database that counts its transactions."""

    def __init__(self, address: str, work: Work) -> None:
        super().__init__(address)
        self._work = work

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        self._work.busy += 1
        try:
            async with super().transaction() as tx:
                yield tx
        finally:
            self._work.busy -= 1

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        self._work.busy += 1
        try:
            async with super().connection() as tx:
                yield tx
        finally:
            self._work.busy -= 1


class WatchedGateway:
    """A gateway that counts its requests; one that waits for its slot is not on its way yet."""

    def __init__(self, gateway: Gateway, work: Work) -> None:
        self._gateway = gateway
        self._work = work

    async def place(self, request: CallRequest, leaves: Leaves) -> PlaceResult:
        async def waiting() -> None:
            self._work.busy -= 1
            try:
                await leaves()
            finally:
                self._work.busy += 1

        return await self._work.done(self._gateway.place(request, waiting))

    async def fetch(self, sid: str) -> CallFacts:
        return await self._work.done(self._gateway.fetch(sid))

    async def cancel(self, sid: str) -> CallFacts | None:
        return await self._work.done(self._gateway.cancel(sid))

    async def hang_up(self, sid: str) -> CallFacts | None:
        return await self._work.done(self._gateway.hang_up(sid))

    async def find(self, to: str, since: datetime) -> list[CallFacts]:
        return await self._work.done(self._gateway.find(to, since))

    async def account(self) -> AccountFacts:
        return await self._work.done(self._gateway.account())


async def move(clock: ManualClock, work: Work, seconds: float, step: float = 0.5) -> None:
    """Move the clock on in small steps, each with all that it leads to."""
    for _ in range(round(seconds / step)):
        await clock.advance(step)
        await work.idle()
