"""The agent's voice: text becomes chunks, chunks take time, later messages or the person cut them.

Sources: one FIFO for text, play and sendDigits, `preemptible` marks the victim (TWILIO 2.4); chunk
borders, order and timing of the info frames (2.3); the fragment of a cut is only the chunk being
spoken and its milliseconds count from the chunk's start (2.7).
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from campaign.simulator.calls import Voice
from campaign.simulator.clock import SimulatorClock

Emit = Callable[[dict[str, object]], Awaitable[None]]

_BORDER = re.compile(r"[:.!?;](?=\D|$)")
"""A chunk ends at : . ! ? ; but not inside a figure such as 3.50 or 10:30."""

_OPEN_CYCLE_PAUSE = 0.5  # clock seconds without new text before an unfinished turn falls silent
_STALE_TEXT = 0.8  # clock seconds after which text without a border is spoken all the same


def split_chunks(text: str) -> tuple[list[str], str]:
    """Whole chunks of the text, each ending with its border, and the rest. Spaces are kept."""
    chunks: list[str] = []
    start = 0
    for border in _BORDER.finditer(text):
        end = border.end()
        if end < len(text) and text[end] in ":.!?;":
            continue  # "..." and "?!" stay together
        chunks.append(text[start:end])
        start = end
    return chunks, text[start:]


@dataclass(slots=True)
class Piece:
    """One item of the queue."""

    kind: str  # "text", "play", "digits"
    text: str
    seconds: float
    interruptible: frozenset[str]  # of {"speech", "dtmf"}
    preemptible: bool


class Speaker:
    """Plays the queue.

    Arguments:
        emit: sends a frame to the app; called for info frames only if `events` names them.
        events: of {"speaker-events", "tokens-played"}.
        heard: told each text that the person has heard, in order.
        begins: told that the voice is heard from now on; what it returns is told when it ends.
        rate: characters per second of the voice.
        latency: draws the seconds between first text and first sound.
    """

    def __init__(
        self,
        clock: SimulatorClock,
        emit: Emit,
        events: frozenset[str],
        heard: Callable[[str, str], None],
        rate: float,
        latency: Callable[[], float],
        begins: Callable[[], Voice],
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._events = events
        self._heard = heard
        self._rate = rate
        self._latency = latency
        self._begins = begins
        self._voice: Voice | None = None
        self._queue: deque[Piece] = deque()
        self._buffer = ""
        self._buffer_style: tuple[frozenset[str], bool] = (frozenset(), False)
        self._filled = asyncio.Event()
        self._cut = asyncio.Event()
        self._current: Piece | None = None
        self._started = 0.0
        self._last_text = 0.0
        self._cycle_open = False
        self.speaking = False
        self.speaking_since = 0.0
        self.silent_since = clock.monotonic()
        self.changed = asyncio.Event()

    # -- what the app sends ------------------------------------------------------------------------

    async def say(
        self, token: str, last: bool, interruptible: frozenset[str], preemptible: bool, whole: bool = False
    ) -> None:
        """Add text. `whole` keeps it in one chunk, as the welcome greeting is."""
        await self._preempt()
        self._last_text = self._clock.monotonic()
        if self._buffer and self._buffer_style != (interruptible, preemptible):
            self._flush()
        self._buffer += token
        self._buffer_style = (interruptible, preemptible)
        if not whole:
            chunks, self._buffer = split_chunks(self._buffer)
            for chunk in chunks:
                self._push_text(chunk)
        self._cycle_open = not last
        if last:
            self._flush()
        self._filled.set()
        self._notify()

    async def play(
        self, seconds: float, source: str, interruptible: frozenset[str], preemptible: bool
    ) -> None:
        """Add a media file of that length."""
        await self._preempt()
        self._flush()
        self._queue.append(Piece("play", source, seconds, interruptible, preemptible))
        self._filled.set()

    async def digits(self, digits: str, seconds: float) -> None:
        """Add touch tones."""
        await self._preempt()
        self._flush()
        self._queue.append(Piece("digits", digits, seconds, frozenset(), False))
        self._filled.set()

    def _flush(self) -> None:
        if self._buffer.strip():
            self._push_text(self._buffer)
        self._buffer = ""

    def _push_text(self, text: str) -> None:
        if not text:
            return
        interruptible, preemptible = self._buffer_style
        self._queue.append(Piece("text", text, len(text) / self._rate, interruptible, preemptible))

    async def _preempt(self) -> None:
        """A new message cuts whatever is marked preemptible: a fragment and no `interrupt` (2.4)."""
        if self._cycle_open:
            return  # a further token of the same message
        self._queue = deque(piece for piece in self._queue if not piece.preemptible)
        if self._current is not None and self._current.preemptible:
            fragment, _ = self._stop_current()
            await self._played(fragment)

    # -- what the person does ------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything is being spoken or waits to be."""
        return self.speaking or bool(self._queue) or bool(self._buffer.strip())

    @property
    def cycle_open(self) -> bool:
        """Whether the app has begun a turn and not yet sent its `last:true`."""
        return self._cycle_open

    def stoppable_by(self, what: str) -> bool:
        """Whether "speech" or "dtmf" would interrupt what is being spoken now."""
        return self.speaking and self._current is not None and what in self._current.interruptible

    def interrupt(self) -> tuple[str, int]:
        """Stop the voice and drop all that is queued; returns the fragment and its milliseconds (2.7).

        The caller sends the frames, for their order is that of the barge-in (2.3).
        """
        fragment, milliseconds = self._stop_current()
        self._queue.clear()
        self._buffer = ""
        self._cycle_open = False
        self.fall_silent()
        self._notify()
        return fragment, milliseconds

    def fall_silent(self) -> None:
        """The voice isn't heard any more."""
        self.speaking = False
        self.silent_since = self._clock.monotonic()
        if self._voice is not None:
            self._voice.ends, self._voice = self.silent_since, None

    def _stop_current(self) -> tuple[str, int]:
        piece, self._current = self._current, None
        if piece is None:
            return "", 0
        elapsed = min(self._clock.monotonic() - self._started, piece.seconds)
        self._cut.set()
        fragment = ""
        if piece.kind == "text":
            fragment = whole_words(piece.text, int(elapsed * self._rate))
            if fragment:
                self._heard(fragment, piece.kind)
        return fragment, round(elapsed * 1000)

    # -- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play until cancelled."""
        while True:
            if not self._queue:
                await self._wait_for_more()
                continue
            if not self.speaking:
                await self._clock.sleep(self._latency())
                if not self._queue:
                    continue
                self.speaking = True
                self.speaking_since = self._clock.monotonic()
                self._voice = self._begins()
                self._notify()
                await self._info("agentSpeaking", "on")
                if not self._queue:
                    continue
            await self._speak(self._queue.popleft())

    async def _speak(self, piece: Piece) -> None:
        self._cut.clear()
        self._current = piece
        self._started = self._clock.monotonic()
        if await self._clock.wait(self._cut, piece.seconds):
            return
        self._current = None
        self._heard(piece.text, piece.kind)
        if piece.kind != "play":
            await self._played(piece.text)

    async def _wait_for_more(self) -> None:
        self._filled.clear()
        if self._buffer.strip():
            if not await self._clock.wait(self._filled, _STALE_TEXT, floor=0.2):
                self._flush()
            return
        if self.speaking and (
            not self._cycle_open or not await self._clock.wait(self._filled, _OPEN_CYCLE_PAUSE, floor=0.05)
        ):
            if self.speaking and not self._queue:
                self.fall_silent()
                await self._info("agentSpeaking", "off")
                self._notify()
            return
        await self._filled.wait()

    async def _played(self, text: str) -> None:
        if "tokens-played" in self._events and text:
            await self._emit({"type": "info", "name": "tokensPlayed", "value": text})

    async def _info(self, name: str, value: str) -> None:
        if "speaker-events" in self._events:
            await self._emit({"type": "info", "name": name, "value": value})

    def _notify(self) -> None:
        self.changed.set()


def whole_words(text: str, characters: int) -> str:
    """The text up to so many characters, cut back to its last whole word."""
    characters = max(characters, 0)
    if characters >= len(text):
        return text
    part = text[:characters]
    return part.rpartition(" ")[0] if text[len(part)] != " " else part
