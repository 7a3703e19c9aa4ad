"""What was decided for one number at one moment, with every rule's verdict as its explanation."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from campaign.domain.facts import Facts, utc

LOOK_AGAIN = timedelta(seconds=60)
"""When to look again at a contact that waits for an event (a call under way, a person), not an instant."""
LOOK_FOR_COPY = timedelta(hours=1)
"""The same for one that waits for a registry's copy: a fresh one has them all looked at by itself."""


class Verdict(StrEnum):
    """Allow: dial now. Defer: not now. Block: not, as far as is known, at any time."""

    ALLOW = "allow"
    DEFER = "defer"
    BLOCK = "block"


_RANK = {Verdict.ALLOW: 0, Verdict.DEFER: 1, Verdict.BLOCK: 2}


class Ground(StrEnum):
    """What a verdict hangs on, and so who can change it.

    TIME passes by itself; NUMBER and CONTACT are about this one person or where they are; LOOKUP waits for
    an answer about the number that we ask for ourselves; CAMPAIGN (its state, its money, its caller ids)
    holds for everybody in it until somebody acts.
    """

    TIME = "time"
    NUMBER = "number"
    CONTACT = "contact"
    LOOKUP = "lookup"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule's verdict.

    Args:
        rule_id: "US-FL.hours", or one of ours such as "campaign.hours", "dnc.own".
        kind: the kind of rule.
        why: a sentence with the figures in it.
        until: for a deferral, the first instant at which this rule alone would allow; None when it waits
            for an event and not for the clock.
        source: the citation; empty for our own rules.
        waived: it says no by itself, and allows only because somebody has waived it.
        basis: the version of a registry that the verdict rests on: "us-national-dnc@3".
    """

    rule_id: str
    kind: str
    verdict: Verdict
    why: str
    ground: Ground = Ground.CONTACT
    until: datetime | None = None
    source: str = ""
    waived: bool = False
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allow, defer or block, and why.

    Args:
        at: when it was decided (UTC).
        until: for a deferral, the first instant at which all rules that depend on time are open together;
            None when it waits only for an event.
        reasons: every rule's verdict, the deciding ones first.
        packs: (pack id, version) of the packs that applied.
        closes_at: when the present opening ends in the tightest zone; None when it is shut or never ends.
        callers: those of the campaign's caller ids that every rule accepts, the one to use first in front.
        facts: what it was decided on; not part of its JSON, kept beside it.
    """

    verdict: Verdict
    at: datetime
    until: datetime | None
    reasons: tuple[RuleVerdict, ...]
    packs: tuple[tuple[str, str], ...]
    closes_at: datetime | None = None
    callers: tuple[str, ...] = ()
    facts: Facts | None = field(default=None, compare=False, repr=False)

    @property
    def allowed(self) -> bool:
        return self.verdict is Verdict.ALLOW

    @property
    def against(self) -> tuple[RuleVerdict, ...]:
        """The verdicts that say no, blocks before deferrals."""
        return tuple(reason for reason in self.reasons if reason.verdict is not Verdict.ALLOW)

    @property
    def waived(self) -> tuple[RuleVerdict, ...]:
        """The verdicts that allow only because of a waiver."""
        return tuple(reason for reason in self.reasons if reason.waived)

    @property
    def main(self) -> RuleVerdict | None:
        """The verdict that counts people under one reason: the first block, else the latest deferral."""
        return self.against[0] if self.against else None

    @property
    def campaign_wide(self) -> bool:
        """Whether nothing but the campaign's own standing says no: then nobody in it can be called."""
        return bool(self.against) and all(reason.ground is Ground.CAMPAIGN for reason in self.against)

    @property
    def awaits_lookup(self) -> bool:
        """Whether nothing but a look-up that has not been made yet says no."""
        return bool(self.against) and all(reason.ground is Ground.LOOKUP for reason in self.against)

    def next_look(self) -> datetime | None:
        """When a waiting contact should be looked at again; None unless deferred."""
        match self.verdict:
            case Verdict.DEFER:
                copy = any(reason.kind == "registry" for reason in self.against)
                return self.until or self.at + (LOOK_FOR_COPY if copy else LOOK_AGAIN)
            case Verdict.ALLOW | Verdict.BLOCK:
                return None
            case _:
                assert_never(self.verdict)

    @property
    def fingerprint(self) -> str:
        """Equal for two decisions that a person would call the same.

        Made of the verdict, of each rule that says no and how, of each that is waived, and of the packs' and
        registries' versions; figures, instants and the rules that allow are left out.
        """
        parts = [self.verdict.value]
        parts += sorted(f"{reason.rule_id}={reason.verdict.value}" for reason in self.against)
        parts += sorted(f"{reason.rule_id}=waived" for reason in self.waived)
        parts += [f"{pack}@{version}" for pack, version in self.packs]
        parts += sorted(reason.basis for reason in self.reasons if reason.basis)
        return hashlib.blake2s("\n".join(parts).encode(), digest_size=8).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON column."""
        return {
            "verdict": self.verdict.value,
            "at": self.at.isoformat(),
            "until": _text(self.until),
            "closes_at": _text(self.closes_at),
            "callers": list(self.callers),
            "packs": [list(pack) for pack in self.packs],
            "reasons": [
                {
                    "rule": reason.rule_id,
                    "kind": reason.kind,
                    "verdict": reason.verdict.value,
                    "why": reason.why,
                    "ground": reason.ground.value,
                    "until": _text(reason.until),
                    "source": reason.source,
                    **({"waived": True} if reason.waived else {}),
                    **({"basis": reason.basis} if reason.basis else {}),
                }
                for reason in self.reasons
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Decision":
        """The inverse of to_json.

        Raises:
            KeyError, ValueError: not something that to_json wrote.
        """
        return cls(
            verdict=Verdict(value["verdict"]),
            at=datetime.fromisoformat(value["at"]),
            until=_instant(value["until"]),
            closes_at=_instant(value["closes_at"]),
            callers=tuple(value["callers"]),
            packs=tuple((pack, version) for pack, version in value["packs"]),
            reasons=tuple(
                RuleVerdict(
                    rule_id=reason["rule"],
                    kind=reason["kind"],
                    verdict=Verdict(reason["verdict"]),
                    why=reason["why"],
                    ground=Ground(reason["ground"]),
                    until=_instant(reason["until"]),
                    source=reason["source"],
                    waived=reason.get("waived", False),
                    basis=reason.get("basis", ""),
                )
                for reason in value["reasons"]
            ),
        )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Block beats defer beats allow."""
    return max(verdicts, key=_RANK.__getitem__, default=Verdict.ALLOW)


def by_weight(reason: RuleVerdict) -> tuple[int, float]:
    """Sort key: blocks first, then deferrals, those that wait for an event and the longest first."""
    if reason.verdict is Verdict.DEFER:
        return -1, -reason.until.timestamp() if reason.until else float("-inf")
    return -_RANK[reason.verdict], 0.0


def in_words(decision: Decision) -> str:
    """The decision as sentences for a person."""
    match decision.verdict:
        case Verdict.ALLOW:
            until = f" until {utc(decision.closes_at)}" if decision.closes_at else ""
            head = f"May be called now{until}; {len(decision.reasons)} rules were checked and all allow it."
            return " ".join([head, *(_with_source(reason) for reason in decision.waived)])
        case Verdict.DEFER:
            head = f"Waits until {utc(decision.until)}." if decision.until else "Waits."
        case Verdict.BLOCK:
            head = "Must not be called."
        case _:
            assert_never(decision.verdict)
    return " ".join([head, *(_with_source(reason) for reason in (*decision.against, *decision.waived))])


def _with_source(reason: RuleVerdict) -> str:
    return f"{reason.why} [{reason.rule_id}{': ' + reason.source if reason.source else ''}]"


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
