"""The transcript and the agent's history of one session: as heard, and redacted where it is kept."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from campaign.domain.conversation.events import Command, Disclosed, RecordTurn
from campaign.domain.conversation.speech import Speech, Utterance
from campaign.domain.dialogue import Message, ToolRequest, Turn
from campaign.domain.redaction import redact, redact_both

_TOGETHER = 8
"""Turns of either side over which a number may be split, or repeated by the other."""


class Transcript:
    """Numbers the turns, keeps the history, and knows which disclosures were heard.

    Args:
        turns: of earlier sessions of this call, in order.
        disclosures: the lines that must be heard, as spoken, each in its place; empty ones need not be.
        spare: numbers that redaction leaves alone: the dialled one.
        first_seq: the numbers of this session's turns are greater. Each session counts in a range of its
            own, for the one before may have turns that are not written yet.
        elsewhere: the same lines in the script's other languages: whoever heard one of them heard it.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        disclosures: Sequence[str],
        spare: Sequence[str],
        first_seq: int = 0,
        elsewhere: Sequence[Sequence[str]] = (),
    ) -> None:
        self.speech = Speech()
        self.history: list[Message] = []
        self.person_turns = 0
        self._spare = tuple(spare)
        self._seq = max(first_seq, *(turn.seq for turn in turns), 0)
        self._recent: list[tuple[Turn, str]] = []
        """The last turns of both: as they were recorded, and as they were said."""
        self._secrets: set[str] = set()
        """Digits that were masked in this session."""
        self._redacted: dict[str, tuple[tuple[Sequence[str], Sequence[int], int], Sequence[str]]] = {}
        """Speaker → what redaction was asked last about their turns, and what it answered."""
        self._disclosures = tuple(disclosures)
        self._place = {
            _folded(line): place
            for lines in (*elsewhere, disclosures)
            for place, line in enumerate(lines)
            if line
        }
        said = {_folded(turn.text) for turn in turns if turn.speaker == "agent"}
        self._heard = self._needless() | {place for line, place in self._place.items() if line in said}
        self.told = len(self._heard) == len(self._disclosures)
        """Whether every disclosure was heard."""
        opening = tuple(self._place)
        self.taken_up = any(
            turn.speaker != "agent" or not any(line.startswith(_folded(turn.text)) for line in opening)
            for turn in turns
        )
        """Whether an earlier session got beyond the disclosures."""
        for turn in turns:
            if turn.speaker == "agent" and turn.text:
                self.history.append(Message("agent", turn.text))
            elif turn.speaker in ("person", "key"):
                self.history.append(Message("person", turn.text))
                self.person_turns += 1

    # ── the person ─────────────────────────────────────────────────────────────────────────────────────

    def person(self, text: str, now: float) -> list[Command]:
        """The person said something; a number that is split over turns is masked in all of them."""
        self._seq += 1
        self.person_turns += 1
        self.history.append(Message("person", text))
        return self._remember(Turn(self._seq, "person", "", now), text)

    def _remember(self, turn: Turn, raw: str) -> list[Command]:
        """A turn as it was said: to be recorded as it may be stored, and earlier ones again that it shows to
        hold a part of a number."""
        place = next((n for n, (known, _) in enumerate(self._recent) if known.seq == turn.seq), None)
        if place is None:
            self._recent = [*self._recent[1 - _TOGETHER :], (turn, raw)]
        else:
            self._recent[place] = (turn, raw)
        masked: dict[int, str] = {}
        for speaker in ("person", "agent"):
            ours = [(known, said) for known, said in self._recent if known.speaker == speaker]
            if not ours:
                continue
            asked = self._asked([known.seq for known, _ in ours])
            safe = self._safe(speaker, tuple(said for _, said in ours), tuple(asked))
            masked |= {known.seq: text for (known, _), text in zip(ours, safe, strict=True)}
        commands: list[Command] = []
        for place, (known, said) in enumerate(self._recent):
            if known.text != masked[known.seq] or known is turn:
                safer = msgspec.structs.replace(known, text=masked[known.seq])
                self._recent[place] = (safer, said)
                commands.append(RecordTurn(safer))
        return commands

    def _safe(self, speaker: str, texts: tuple[str, ...], asked: tuple[int, ...]) -> Sequence[str]:
        """One side's texts as they may be stored; looked at again only when something about them is new."""
        question = texts, asked, len(self._secrets)  # the secrets only grow
        known = self._redacted.get(speaker)
        if known is not None and known[0] == question:
            return known[1]
        safe, found = redact_both(texts, self._spare, asked, self._secrets)
        self._redacted[speaker] = question, safe
        self._secrets |= found
        return safe

    def _asked(self, seqs: Sequence[int]) -> list[int]:
        """Places of turns before which the other side had asked something since the turn before."""
        questions = [known.seq for known, said in self._recent if said.rstrip().endswith("?")]
        return [
            place
            for place, (before, seq) in enumerate(pairwise(seqs), 1)
            if any(before < question < seq for question in questions)
        ]

    def aside(self, text: str, now: float) -> list[Command]:
        """A listener's sound while we spoke: kept as evidence, but no turn and nothing to answer."""
        self._seq += 1
        return [RecordTurn(Turn(self._seq, "person", redact(text, self._spare), now))]

    def note(self, text: str, now: float, *, told: str = "") -> list[Command]:
        """Something that happened on the line; `told`: what the agent is told of it."""
        self._seq += 1
        if told:
            self.history.append(Message("note", told))
        return [RecordTurn(Turn(self._seq, "note", text, now))]

    def press(self, digits: str, now: float) -> list[Command]:
        """We pressed keys, which wait behind our speech."""
        self._seq += 1
        self.speech.press(self._seq, digits, now)
        return [RecordTurn(Turn(self._seq, "note", f"(we pressed the keys {digits})", now))]

    def keys(self, digits: str, now: float) -> list[Command]:
        """The person pressed keys."""
        self._seq += 1
        self.person_turns += 1
        self.history.append(Message("person", f"(pressed the keys {' '.join(digits)})"))
        return [RecordTurn(Turn(self._seq, "key", redact(digits, self._spare), now))]

    # ── ours ───────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, now: float, *, disclosure: str = "", latency_ms: int | None = None) -> Utterance:
        """A new turn of ours; its text is added as it goes out."""
        self._seq += 1
        return self.speech.begin(
            Utterance(seq=self._seq, at=now, disclosure=disclosure, latency_ms=latency_ms)
        )

    def finish(self, utterance: Utterance, tools: tuple[ToolRequest, ...] = ()) -> None:
        """A turn of ours is complete as sent; it enters the history, to be cut if it isn't heard."""
        self.speech.close(utterance)
        utterance.history = len(self.history)
        self.history.append(Message("agent", utterance.sent.strip(), tools))

    def missing(self) -> tuple[str, ...]:
        """Disclosures that were neither heard nor are on their way."""
        known = self._heard | {self._place[_folded(line)] for line in self.speech.disclosing()}
        return tuple(line for place, line in enumerate(self._disclosures) if place not in known)

    def translate(self, disclosures: Sequence[str]) -> None:
        """From now on the disclosures are said in another language; what was heard stays heard."""
        self._disclosures = tuple(disclosures)
        self._heard |= self._needless()

    def unhear(self) -> None:
        """A robot heard the disclosures, not the person who is called: they have to be said again."""
        self._heard, self.told = self._needless(), False
        self.speech.nobody_listens()

    def _needless(self) -> set[int]:
        return {place for place, line in enumerate(self._disclosures) if not line}

    def heard(self, changed: Iterable[Utterance]) -> list[Command]:
        """More of these turns was heard."""
        commands: list[Command] = []
        for utterance in changed:
            if utterance.heard and not utterance.keys:
                commands += self._record(utterance)
            if utterance.disclosure and utterance.done and utterance.heard and not utterance.interrupted:
                self._heard.add(self._place[_folded(utterance.disclosure)])
        if not self.told and len(self._heard) == len(self._disclosures):
            self.told = True
            commands.append(Disclosed())
        return commands

    def cut(self, fragment: str, now: float) -> list[Command]:
        """An interruption dropped what was queued: turns and history end where the person heard them end."""
        commands: list[Command] = []
        for utterance in self.speech.cut(fragment, now):
            if utterance.heard:
                commands += self._record(utterance)
            if utterance.history is not None:
                told = self.history[utterance.history]
                self.history[utterance.history] = Message("agent", utterance.heard.strip(), told.tools)
        return commands

    def unfinished(self, utterance: Utterance, tools: tuple[ToolRequest, ...] = ()) -> None:
        """A turn that was cut while it was still being sent enters the history as heard."""
        if utterance.heard.strip() or tools:
            self.history.append(Message("agent", utterance.heard.strip(), tools))

    def _record(self, utterance: Utterance) -> list[Command]:
        turn = Turn(utterance.seq, "agent", "", utterance.at, utterance.interrupted, utterance.latency_ms)
        return self._remember(turn, utterance.heard.strip())


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
