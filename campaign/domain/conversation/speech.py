"""What we sent to be spoken and what of it was heard.

Twilio reports speech in chunks (`tokensPlayed`), split at sentence marks across our pieces; an interruption
reports the fragment of the chunk that was cut the same way. Chunks are matched to what was sent by letters
and digits alone, as a voice may normalise the rest ("$5" to "five dollars"); then amounts stand in.
"""

from typing import Final

import msgspec

SLOWEST: Final = 12.0
"""Characters a second below which no voice speaks: bounds how long to wait for the end of speech."""
FASTEST: Final = 17.0
"""Characters a second of the default voices, for the longest turn."""
SLACK: Final = 1.0
"""Seconds between our text frame and the voice's beginning, at most (0.25-0.48 s were recorded)."""


class Utterance(msgspec.Struct):
    """One turn of ours on its way to the ear."""

    seq: int
    at: float
    disclosure: str = ""
    """The disclosure line that it says, or empty."""
    latency_ms: int | None = None
    history: int | None = None
    """Its place in the agent's history."""
    sent: str = ""
    heard: str = ""
    closed: bool = False
    interrupted: bool = False
    matched: int = 0
    """Letters and digits of `sent` that were heard."""
    letters: str = ""
    """Letters and digits of `sent`, without case."""

    @property
    def done(self) -> bool:
        return self.closed and self.matched >= len(self.letters)


class Speech:
    """A first-in first-out queue, as Twilio's own."""

    def __init__(self) -> None:
        self._queue: list[Utterance] = []
        self._ends_at = 0.0
        self.reported = False
        """Whether Twilio has ever told what it played."""

    @property
    def pending(self) -> bool:
        """Whether something that was sent is not yet heard to its end."""
        return bool(self._queue)

    @property
    def ends_at(self) -> float:
        """When all that was sent is spoken even by the slowest voice."""
        return self._ends_at

    def disclosing(self) -> frozenset[str]:
        """Disclosure lines that are on their way."""
        return frozenset(one.disclosure for one in self._queue if one.disclosure)

    def begin(self, utterance: Utterance) -> Utterance:
        self._queue.append(utterance)
        return utterance

    def add(self, utterance: Utterance, text: str, now: float) -> None:
        """More text of an utterance went out."""
        utterance.sent += text
        utterance.letters += _letters(text)
        self._ends_at = max(self._ends_at, now + SLACK) + len(text) / SLOWEST

    def close(self, utterance: Utterance) -> None:
        """Nothing more comes for it."""
        utterance.closed = True
        if utterance in self._queue and utterance.done and (self.reported or not utterance.letters):
            self._queue.remove(utterance)

    def played(self, text: str, now: float) -> list[Utterance]:
        """A chunk was spoken; returns the utterances of which more is now heard."""
        self.reported = True
        changed: list[Utterance] = []
        while text and self._queue:
            head = self._queue[0]
            rest = head.letters[head.matched :]
            said = _letters(text)
            if not rest and head.closed:
                self._queue.pop(0)
                continue
            if said.startswith(rest) and len(said) > len(rest) and len(self._queue) > 1:
                cut = _index_after(text, len(rest))
                portion, text = text[:cut], text[cut:]
            else:
                portion, text = text, ""
            head.heard += portion
            head.matched = min(len(head.letters), head.matched + len(_letters(portion)))
            changed.append(head)
            if head.done:
                self._queue.pop(0)
        left = sum(len(one.letters) - one.matched for one in self._queue)
        self._ends_at = now + SLACK + left * 1.3 / SLOWEST if self._queue else now
        return changed

    def silent(self, now: float) -> list[Utterance]:
        """Twilio stopped speaking with nothing left to say: what is closed and begun was heard to its end.

        Returns the utterances of which more is now heard.
        """
        changed: list[Utterance] = []
        while self._queue and self._queue[0].closed:
            head = self._queue[0]
            if self.reported and not head.heard:
                break
            changed.append(self._queue.pop(0))
            _hear_all(head, complete=not self.reported)
        if not self._queue:
            self._ends_at = now
        return changed

    def expire(self, now: float) -> list[Utterance]:
        """The slowest voice would be done: whatever is closed counts as spoken, heard only if reported."""
        changed = [one for one in self._queue if one.closed]
        self._queue = [one for one in self._queue if not one.closed]
        for one in changed:
            _hear_all(one, complete=not self.reported)
        return changed

    def cut(self, fragment: str, now: float) -> list[Utterance]:
        """An interruption dropped everything queued; returns the utterances that were cut.

        Args:
            fragment: what was spoken of the chunk in progress. When chunks are reported it is already one of
                them; else the sent text is cut after its first occurrence, or it stands alone.
        """
        dropped, self._queue = self._queue, []
        self._ends_at = now
        for one in dropped:
            one.closed = one.interrupted = True
        if not self.reported and fragment.strip():
            _guess_heard(dropped, fragment.strip())
        return dropped


def _guess_heard(dropped: list[Utterance], fragment: str) -> None:
    """Without reports: all before the utterance that holds the fragment was heard, and that one up to it."""
    place = next((n for n, one in enumerate(dropped) if fragment in one.sent), None)
    if place is None:
        for one in dropped[:1]:
            one.heard = fragment
        return
    for one in dropped[:place]:
        one.interrupted = False
        _hear_all(one, complete=True)
    at = dropped[place]
    at.heard = at.sent[: at.sent.find(fragment) + len(fragment)]


def _hear_all(utterance: Utterance, *, complete: bool) -> None:
    utterance.matched = len(utterance.letters)
    if complete:
        utterance.heard = utterance.sent


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _index_after(text: str, letters: int) -> int:
    """The index in `text` after so many letters and digits, and after the marks that follow them."""
    seen = 0
    for index, char in enumerate(text):
        if char.isalnum():
            if seen == letters:
                return index
            seen += 1
    return len(text)
