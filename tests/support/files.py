"""Files as users bring them: a CSV of contacts, a do-not-call list, a campaign's definition."""

import csv
from collections.abc import Iterable
from pathlib import Path

SALES = """
name = "{name}"
purpose = "{purpose}"
regions = ["US"]
lists = ["{contacts}"]
caller_ids = ["+12025550142", "+12025550143"]
ring_timeout_seconds = 30
longest_call_seconds = 120

[seller]
legal_name = "Harbor & Pine Solar, Inc."
callback_number = "+12025550142"
opt_out_number = "+18335550199"

[schedule]
week = {{ "mon-fri" = "09:00-20:00" }}

[pacing]
lines = 400

[retry]
budget = {budget}
min_gap_minutes = 1
per_number_per_day = 8

[retry.on]
busy = {{ after_minutes = [2] }}
no_answer = {{ after_minutes = [2] }}
failed = {{ after_minutes = [2] }}
abandoned = {{ after_minutes = [2] }}

[voicemail]
policy = "hang_up"

[script]
agent_name = "Robin"
greeting = "Hi {{{{ first_name | there }}}}, you asked us about solar panels. Do you have a minute?"
goal = "Find out whether the person still thinks about solar panels."
closing = "Thank you. Goodbye!"

[[script.questions]]
key = "owns_home"
ask = "Do you own your home?"
kind = "yes_no"

[script.transfers]
sales = {{ to = "+12025550150", name = "one of our advisers" }}
"""


def contacts_csv(path: Path, phones: Iterable[str], *, without_consent: frozenset[str] = frozenset()) -> Path:
    """A sales team's export: a name and a number a line, and how each person consented."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["First Name", "Phone", "consent", "consent_at", "consent_source"])
        for n, phone in enumerate(phones):
            consent = [] if phone in without_consent else ["express_written", "2026-10-01", "web form"]
            writer.writerow([f"Pat{n}", phone, *consent, *([""] * (3 - len(consent)))])
    return path


def dnc_csv(path: Path, phones: Iterable[str]) -> Path:
    path.write_text("phone,reason\n" + "".join(f"{phone},wrote to us\n" for phone in phones))
    return path


def campaign_toml(path: Path, name: str, contacts: str, *, purpose: str = "sales", budget: int = 2) -> Path:
    """A definition with retries after minutes."""
    path.write_text(SALES.format(name=name, contacts=contacts, purpose=purpose, budget=budget))
    return path
