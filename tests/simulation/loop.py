"""An event loop whose time is virtual and whose order the seed chooses; processes in it can crash or freeze.

Every handle belongs to the process (`Owner`) whose context it was made in. A crashed process's handles are
dropped as if the machine had gone; a frozen one's (SIGSTOP) are kept until it is let go on. When nothing is
ready, time jumps to the next timer: ten minutes of an outage cost as long as the work done in them.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


@dataclass(eq=False)
class Owner:
    """A simulated process: what runs in its context lives and dies with it."""

    name: str
    alive: bool = True
    frozen: bool = False
    kept: list[asyncio.Handle] = field(default_factory=list)
    steps: int = 0
    crash_at: int | None = None
    """The step at which it dies, counted from its start: any await of any of its tasks."""
    on_crash: Callable[[], None] | None = None


OWNER: ContextVar[Owner | None] = ContextVar("OWNER", default=None)


class Stuck(AssertionError):
    """Nothing is ready and nothing ever will be."""


class SimLoop(asyncio.BaseEventLoop):
    """See the module.

    Args:
        rng: chooses which handle runs next.
    """

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.rng = rng
        self.elapsed = 0.0
        self.steps = 0
        self.faults: list[dict[str, Any]] = []
        self.when_idle: Callable[[], bool] = lambda: False
        """Asked when nothing is ready: whether it made something ready."""
        self._owners: WeakKeyDictionary[Any, Owner | None] = WeakKeyDictionary()
        self._kept: list[asyncio.Task[Any]] = []
        """A crashed process's tasks too: collected, they would run their `finally`, as no crash lets them."""
        self.set_task_factory(self._task)
        self.set_exception_handler(self._fault)

    def _task(self, loop: Any, work: Any, context: Context | None = None) -> "asyncio.Task[Any]":
        made: asyncio.Task[Any] = asyncio.Task(work, loop=self, context=context)
        self._owners[made] = context.get(OWNER) if context is not None else OWNER.get()
        self._kept.append(made)
        if len(self._kept) > 500:
            self._kept = [task for task in self._kept if not task.done()]
        return made

    def _fault(self, loop: Any, what: dict[str, Any]) -> None:
        """Keep what a living process let fall; a crashed one can't be blamed for what it left."""
        task = what.get("task") or what.get("future")
        owner = self._owners.get(task) if task is not None else None
        if what.get("exception") is not None and (owner is None or owner.alive):
            self.faults.append(what)

    # ── what BaseEventLoop asks of a loop ──────────────────────────────────────────────────────────────

    def time(self) -> float:
        return self.elapsed

    def _process_events(self, event_list: Any) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """Work for a thread is done at once: threads would choose their own order."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # handed to whoever waits for it
            done.set_exception(error)
        return done

    def _run_once(self) -> None:
        ready: deque[asyncio.Handle] = self._ready
        while not ready and not self._stopping:
            if self.when_idle():
                continue
            self._next_timer()
        self._due_timers()
        if not ready:
            return
        if len(ready) > 1:
            ready.rotate(-self.rng.randrange(len(ready)))
        handle = ready.popleft()
        if handle._cancelled:
            return
        owner = handle._context.get(OWNER)
        if owner is not None:
            if not owner.alive:
                return
            if owner.frozen:
                owner.kept.append(handle)
                return
            owner.steps += 1
            if owner.crash_at is not None and owner.steps >= owner.crash_at:
                self.crash(owner)
                return
        self.steps += 1
        handle._run()

    def _next_timer(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not timers:
            raise Stuck("nothing is ready, and no timer will make it so")
        self.elapsed = max(self.elapsed, timers[0]._when)
        self._due_timers()

    def _due_timers(self) -> None:
        timers = self._scheduled
        while timers and (timers[0]._cancelled or timers[0]._when <= self.elapsed):
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                self._ready.append(timer)

    # ── processes ──────────────────────────────────────────────────────────────────────────────────────

    def spawn(self, owner: Owner | None, work: Coroutine[Any, Any, T], name: str = "") -> "asyncio.Task[T]":
        """A task of a process (None: of the world around)."""
        context: Context = copy_context()
        context.run(OWNER.set, owner)
        return context.run(self.create_task, work, name=name, context=context)

    def crash(self, owner: Owner) -> None:
        """The process is gone, in the middle of whatever it did: none of its code runs again."""
        if not owner.alive:
            return
        owner.alive = False
        owner.kept.clear()
        if owner.on_crash is not None:
            owner.on_crash()

    def freeze(self, owner: Owner) -> None:
        """SIGSTOP."""
        owner.frozen = True

    def thaw(self, owner: Owner) -> None:
        """SIGCONT: what became ready meanwhile runs now, all at once."""
        owner.frozen = False
        kept, owner.kept = owner.kept, []
        self._ready.extend(kept)
