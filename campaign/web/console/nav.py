"""What the navigation shows. An entry shows to whom the table of guards opens its page, and to nobody while
there is no such page."""

from dataclasses import dataclass

from campaign.store.accounts import Role
from campaign.web.auth import CONSOLE, may


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation. `icon`: its name in templates/console/icons.html."""

    label: str
    path: str
    icon: str


SECTIONS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry("Home", CONSOLE, "home"),
            Entry("Lists", CONSOLE + "/lists", "list"),
            Entry("Campaigns", CONSOLE + "/campaigns", "megaphone"),
            Entry("Live", CONSOLE + "/live", "pulse"),
            Entry("Calls", CONSOLE + "/calls", "phone"),
            Entry("People", CONSOLE + "/people", "people"),
            Entry("Reports", CONSOLE + "/reports", "chart"),
            Entry("Do not call", CONSOLE + "/dnc", "shield"),
        ),
    ),
    (
        "Administration",
        (
            Entry("Users", CONSOLE + "/users", "people"),
            Entry("Audit trail", CONSOLE + "/audit", "scroll"),
            Entry("Webhooks", CONSOLE + "/webhooks", "hook"),
            Entry("Design", CONSOLE + "/design", "palette"),
        ),
    ),
)


BELONG = {CONSOLE + "/imports": CONSOLE + "/lists", CONSOLE + "/contacts": CONSOLE + "/lists"}
"""Pages whose paths lie beside the entry that they belong to."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A section of the navigation as one page shows it."""

    title: str
    entries: tuple[tuple[Entry, bool], ...]
    """(entry, whether it is where the viewer is)."""


def sections(role: Role, path: str) -> list[Shown]:
    """The navigation of a role, on a page."""
    here = _nearest(path)
    found = []
    for title, entries in SECTIONS:
        shown = tuple((entry, entry.path == here) for entry in entries if may(role, "GET", entry.path))
        if shown:
            found.append(Shown(title, shown))
    return found


def _nearest(path: str) -> str:
    """The entry that a page belongs to: the longest path above it."""
    path = next((to for beside, to in BELONG.items() if path.startswith(beside + "/")), path)
    paths = [entry.path for _, entries in SECTIONS for entry in entries]
    # every page lies below the front page: that one is where the viewer is only when it is shown itself
    above = [one for one in paths if path == one or (one != CONSOLE and path.startswith(one + "/"))]
    return max(above, key=len, default="")
