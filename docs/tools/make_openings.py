"""Measures what the service takes for a person, a mailbox or a screening robot, over the sentences of
docs/samples/openings.tsv, and writes the figures into docs/machines.md.

Each sentence is the first that a conversation hears, before our greeting; what the conversation then does
tells what it took the speaker for. Rows marked `held-out` must never be used to make the recognisers better:
add new rows to `tuned` for that.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from campaign.domain import relay_protocol as relay
from campaign.domain.conversation import Conversation, EndSession, Send
from campaign.domain.script import Script

DOCS: Final = Path(__file__).parents[1]
SENTENCES: Final = DOCS / "samples" / "openings.tsv"
PAGE: Final = DOCS / "machines.md"
BEGINS, ENDS = "<!-- figures: python docs/tools/make_openings.py -->", "<!-- end of figures -->"
KINDS: Final = ("human", "machine", "screening")
SCRIPT: Final = Script(greeting="Hi, is now a good time?", goal="Talk.")
VALUES: Final = {"seller_name": "Acme"}


class Opening(NamedTuple):
    """One sentence, and who says it."""

    part: str
    kind: str
    language: str
    said: str


def openings() -> Iterator[Opening]:
    """All sentences, in order."""
    with SENTENCES.open(newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        yield from (Opening(*row) for row in rows)


def taken_for(said: str) -> str:
    """What a conversation takes the speaker of its first sentence for, by what it does."""
    talk = Conversation(
        SCRIPT, VALUES, started=0.0, started_at=datetime(2026, 11, 24, 15, tzinfo=UTC), attempt="x"
    )
    talk.receive(relay.Setup(session_id="VX1", call_sid="CA1"), 0.0)
    did = talk.receive(relay.Prompt(voice_prompt=said), 0.5)
    # Last words are heard to their end before the session says why it ended.
    did += talk.receive(relay.TokensPlayed("Thank you for your time."), 1.0)
    did += talk.receive(relay.TokensPlayed(" Goodbye."), 1.1)
    ended = next((one.handoff.get("reason") for one in did if isinstance(one, EndSession)), "")
    frames = [one.frame for one in did if isinstance(one, Send)]
    said_first = next((frame.token for frame in frames if isinstance(frame, relay.Text)), "")
    if ended == "machine":
        return "machine"
    pressed = any(isinstance(frame, relay.SendDigits) for frame in frames)
    screened = pressed or ended == "screened" or said_first.startswith("This is")
    return "screening" if screened else "human"


def counted(part: str) -> Counter[tuple[str, str]]:
    """(is, taken for) → sentences of that part."""
    return Counter((one.kind, taken_for(one.said)) for one in openings() if one.part == part)


def figures() -> str:
    """The tables as they should stand in the page."""
    parts = []
    for part, title in (("tuned", "Tuned on"), ("held-out", "Held out")):
        seen = counted(part)
        lines = [
            f"**{title}** ({seen.total()} sentences)",
            "",
            "| is \\ taken for | " + " | ".join(KINDS) + " |",
        ]
        lines.append("|---|" + "---:|" * len(KINDS))
        for kind in KINDS:
            lines.append(f"| {kind} | " + " | ".join(str(seen[kind, other]) for other in KINDS) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def page() -> str:
    """The page with its figures made anew."""
    before, _, rest = PAGE.read_text().partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    return f"{before}{BEGINS}\n\n{figures()}\n\n{ENDS}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
