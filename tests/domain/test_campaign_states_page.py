"""docs/campaign-states.md is drawn from the table of domain/campaign_state.py, so it can't be wrong.

To draw it anew: python -m tests.domain.test_campaign_states_page
"""

import re
from pathlib import Path

from campaign.domain.campaign_state import ALLOWED, CampaignAction, CampaignState

PAGE = Path(__file__).parents[2] / "docs" / "campaign-states.md"
BEGIN, END = "<!-- drawn from the table -->", "<!-- end of what is drawn -->"


def drawing() -> str:
    """The table as a Mermaid state diagram; actions that change nothing are left out."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> draft"]
    arrows: dict[tuple[CampaignState, CampaignState], list[CampaignAction]] = {}
    for (state, action), reached in ALLOWED.items():
        if state is not reached:
            arrows.setdefault((state, reached), []).append(action)
    for (state, reached), actions in arrows.items():
        lines.append(f"    {state.value} --> {reached.value}: {', '.join(one.value for one in actions)}")
    left = {state for state, _ in arrows}
    lines += [f"    {state.value} --> [*]" for state in CampaignState if state not in left]
    return "\n".join([*lines, "```"])


def redrawn(page: str) -> str:
    """The page with its drawing made anew."""
    drawn = f"{BEGIN}\n\n{drawing()}\n\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: drawn, page, flags=re.DOTALL)


def test_the_page_shows_the_table_as_it_is() -> None:
    page = PAGE.read_text("utf-8")
    assert BEGIN in page
    assert page == redrawn(page), "draw it anew: python -m tests.domain.test_campaign_states_page"


def test_the_page_explains_every_state() -> None:
    page = PAGE.read_text("utf-8")
    for state in CampaignState:
        assert f"| `{state.value}` |" in page, state


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text("utf-8")), "utf-8")
