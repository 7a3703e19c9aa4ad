"""The `campaign` command: every task of the three kinds of users, each with help that teaches.

Only the module of the command that was asked for is imported: `campaign status` need not wait for the web
framework, nor `campaign contacts` for the simulator.
"""

import inspect
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from campaign.domain.errors import CampaignError

PANELS = {
    "Service": {
        "serve": "campaign.cli.serve:serve",
        "drain": "campaign.cli.drain:drain",
        "doctor": "campaign.cli.doctor:doctor",
        "demo": "campaign.cli.demo:demo",
        "simulator": "campaign.cli.simulator:simulator",
        "talk": "campaign.cli.talk:talk",
        "call-me": "campaign.cli.call_me:call_me",
        "reconcile": "campaign.cli.reconcile:reconcile",
        "db": "campaign.cli.db:app",
        "keys": "campaign.cli.keys:app",
        "users": "campaign.cli.users:app",
        "webhooks": "campaign.cli.webhooks:app",
    },
    "Lists": {
        "contacts": "campaign.cli.contacts:app",
        "dnc": "campaign.cli.dnc:app",
        "lookup": "campaign.cli.lookup:lookup",
        "numbers": "campaign.cli.numbers:numbers",
    },
    "Campaigns": {
        "create": "campaign.cli.campaigns:create",
        "validate": "campaign.cli.campaigns:validate",
        "edit": "campaign.cli.campaigns:edit",
        "preview": "campaign.cli.preview:preview",
        "start": "campaign.cli.campaigns:start",
        "pause": "campaign.cli.campaigns:pause",
        "resume": "campaign.cli.campaigns:resume",
        "stop": "campaign.cli.campaigns:stop",
        "redial": "campaign.cli.campaigns:redial",
        "status": "campaign.cli.status:status",
        "why": "campaign.cli.status:why",
        "list": "campaign.cli.status:list_",
        "show": "campaign.cli.campaigns:show",
    },
    "Results": {
        "report": "campaign.cli.report:report",
        "export": "campaign.cli.export:export",
        "records": "campaign.cli.records:app",
        "explain": "campaign.cli.explain:explain",
        "wrap-up": "campaign.cli.wrap_up:wrap_up",
        "rules": "campaign.cli.rule_records:app",
    },
}
"""Panel of the help → command → where it stands."""


def build(only: str | None = None) -> typer.Typer:
    """The command line.

    Args:
        only: one command, of which alone the module is imported; None: all.
    """
    app = typer.Typer(
        name="campaign",
        help="Outbound calling campaigns: lists in, calls out at the allowed pace and hour, outcomes kept.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )
    app.callback()(_group)
    for panel, commands in PANELS.items():
        for name, place in commands.items():
            if only in (None, name):
                module, _, attribute = place.partition(":")
                found = getattr(import_module(module), attribute)
                if isinstance(found, typer.Typer):
                    for command in found.registered_commands:
                        command.help = flowing(inspect.getdoc(command.callback) or "")
                    app.add_typer(found, name=name, rich_help_panel=panel)
                else:
                    app.command(name, help=flowing(inspect.getdoc(found) or ""), rich_help_panel=panel)(found)
    return app


def flowing(text: str) -> str:
    """A docstring whose paragraphs are one line each, for the terminal to wrap; indented lines stay."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(part if part[:1].isspace() else " ".join(part.split("\n")) for part in paragraphs)


def _group() -> None:
    """Outbound calling campaigns: lists in, calls out at the allowed pace and hour, outcomes kept."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    known = {name for commands in PANELS.values() for name in commands}
    app = build(given[0] if given and given[0] in known else None)
    try:
        app(args=given, prog_name="campaign")
    except CampaignError as error:  # the edge: an error that no command told
        from campaign.cli.common import fail

        try:
            fail(error)
        except typer.Exit as end:
            sys.exit(end.exit_code)
