"""docs/attempt-states.md is drawn from the table of domain/attempt.py, so it can't be wrong.

To draw it anew: python -m tests.domain.test_attempt_states_page
"""

import re
from pathlib import Path

from campaign.domain.attempt import SETTLED, STATUS_EVENT, TABLE, AttemptEvent, AttemptState

PAGE = Path(__file__).parents[2] / "docs" / "attempt-states.md"
BEGIN, END = "<!-- drawn from the table -->", "<!-- end of what is drawn -->"


def drawing() -> str:
    """The table as a Mermaid state diagram, and Twilio's statuses as events."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> placing"]
    arrows: dict[tuple[AttemptState, AttemptState], list[AttemptEvent]] = {}
    for (state, event), reached in TABLE.items():
        arrows.setdefault((state, reached), []).append(event)
    for (state, reached), events in arrows.items():
        lines.append(f"    {state.value} --> {reached.value}: {', '.join(event.value for event in events)}")
    lines += [f"    {state.value} --> [*]" for state in AttemptState if state in SETTLED]
    lines += ["```", "", "| Twilio's call status | event |", "|---|---|"]
    lines += [f"| `{status}` | {event.value} |" for status, event in STATUS_EVENT.items()]
    return "\n".join(lines)


def redrawn(page: str) -> str:
    """The page with its drawing made anew."""
    drawn = f"{BEGIN}\n\n{drawing()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: drawn, page, flags=re.DOTALL)


def test_the_page_shows_the_table_as_it_is() -> None:
    page = PAGE.read_text("utf-8")
    assert BEGIN in page
    assert page == redrawn(page), "draw it anew: python -m tests.domain.test_attempt_states_page"


def test_the_page_explains_every_state() -> None:
    page = PAGE.read_text("utf-8")
    for state in AttemptState:
        assert f"| `{state.value}` |" in page, state


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text("utf-8")), "utf-8")
