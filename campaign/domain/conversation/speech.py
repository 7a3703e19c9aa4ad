"""What we sent to be spoken and what of it was heard.

Twilio reports speech in chunks (`tokensPlayed`), split at sentence marks across our pieces; an interruption
reports the fragment of the chunk that was cut the same way. Chunks are matched to what was sent by letters
and digits alone, as a voice may normalise the rest ("$5" to "five dollars"); then amounts stand in.
"""

import re
from typing import Final

import msgspec

SLOWEST: Final = 12.0
"""Characters a second below which no voice speaks: bounds how long to wait for the end of speech."""
FASTEST: Final = 17.0
"""Characters a second of the default voices, for the longest turn."""
KEY_SECONDS: Final = 0.6
"""Seconds that one touch tone takes at most, or one pause among them."""
KEYS_SLACK: Final = 3.0
"""Seconds until touch tones begin, at most (about 2 s were recorded on an idle line)."""
SLACK: Final = 1.0
"""Seconds between our text frame and the voice's beginning, at most (0.25-0.48 s were recorded)."""


_CHUNK: Final = re.compile(r"[^.!?:]*[.!?:]*")
_BORDER: Final = re.compile(r"[.!?…]+\s+")


class Utterance(msgspec.Struct):
    """One turn of ours on its way to the ear."""

    seq: int
    at: float
    disclosure: str = ""
    """The disclosure line that it says, or empty."""
    keys: bool = False
    """Touch tones, which wait behind speech in the same queue."""
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
        self._lately = ""
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

    def listen(self) -> None:
        """The person has taken a turn: questions that were asked before it are answered, or given up."""
        self._lately = ""

    def asks(self) -> bool:
        """Whether a question was heard since the person's last turn, or is being spoken."""
        return "?" in self._lately or "?" in self._chunk_in_progress()

    def _chunk_in_progress(self) -> str:
        if not self.reported:
            return " ".join(one.sent for one in self._queue)
        head = next((one for one in self._queue if not one.keys), None)
        if head is None:
            return ""
        chunk = _CHUNK.match(head.sent, _index_after(head.sent, head.matched))
        return chunk[0] if chunk else ""

    def rest(self) -> tuple[str, bool]:
        """What an interruption now would cut off: from the beginning of the sentence in progress, and whether
        more of it is still to come. Disclosures aren't part of it, as they are said again by themselves."""
        left: list[str] = []
        for one in self._queue:
            if one.disclosure or one.keys or (not self.reported and one is self._queue[0]):
                continue
            place = _index_after(one.sent, one.matched)
            begins = max((border.end() for border in _BORDER.finditer(one.sent, 0, place)), default=0)
            left.append(one.sent[begins:].strip())
        return " ".join(filter(None, left)), any(not one.closed for one in self._queue)

    def disclosing(self) -> frozenset[str]:
        """Disclosure lines that are on their way."""
        return frozenset(one.disclosure for one in self._queue if one.disclosure)

    def nobody_listens(self) -> None:
        """Disclosures on their way don't reach whom they are for."""
        for one in self._queue:
            one.disclosure = ""

    def begin(self, utterance: Utterance) -> Utterance:
        self._queue.append(utterance)
        return utterance

    def add(self, utterance: Utterance, text: str, now: float) -> None:
        """More text of an utterance went out."""
        utterance.sent += text
        utterance.letters += _letters(text)
        self._ends_at = max(self._ends_at, now + SLACK) + len(text) / SLOWEST

    def later(self, now: float, seconds: float) -> None:
        """What is sent next goes out later by so much at most: something has to be done before it."""
        self._ends_at = max(self._ends_at, now) + seconds + SLACK

    def press(self, seq: int, digits: str, now: float) -> None:
        """Touch tones went out; Twilio reports them as played like a chunk of speech."""
        self._queue.append(Utterance(seq, now, keys=True, sent=digits, letters=digits, closed=True))
        self._ends_at = max(self._ends_at, now) + KEYS_SLACK + KEY_SECONDS * len(digits)

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
            if head.keys:
                self._queue.pop(0)
                if text.strip() == head.sent:
                    break
                continue  # their report was lost; this is of what follows
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
            self._lately += portion
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
            self._hear_all(head)
        if not self._queue:
            self._ends_at = now
        return changed

    def expire(self, now: float) -> list[Utterance]:
        """The slowest voice would be done: whatever is closed counts as spoken, heard only if reported."""
        changed = [one for one in self._queue if one.closed]
        self._queue = [one for one in self._queue if not one.closed]
        for one in changed:
            self._hear_all(one)
        return changed

    def _hear_all(self, one: Utterance) -> None:
        if not self.reported:
            self._lately += one.sent
        _hear_all(one, complete=not self.reported)

    def cut(self, fragment: str, now: float) -> list[Utterance]:
        """An interruption dropped everything queued; returns the utterances that were cut.

        Args:
            fragment: what was spoken of the chunk in progress. When chunks are reported it is already one of
                them; else the sent text is cut after its first occurrence, or it stands alone.
        """
        dropped, self._queue = [one for one in self._queue if not one.keys], []
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
