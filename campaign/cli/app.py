"""The `campaign` command: every task of the three kinds of users, each with help that teaches."""

import typer

from campaign.cli import campaigns, contacts, db, dnc, keys
from campaign.cli.call_me import call_me
from campaign.cli.common import fail
from campaign.cli.demo import demo
from campaign.cli.doctor import doctor
from campaign.cli.explain import explain, rules_app
from campaign.cli.report import report
from campaign.cli.serve import serve
from campaign.cli.simulator import simulator
from campaign.domain.errors import CampaignError

app = typer.Typer(
    name="campaign",
    help="Outbound calling campaigns: lists in, calls out at the allowed pace and hour, outcomes kept.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.command(rich_help_panel="Service")(serve)
app.command(rich_help_panel="Service")(doctor)
app.command(rich_help_panel="Service")(demo)
app.command(rich_help_panel="Service")(simulator)
app.command("call-me", rich_help_panel="Service")(call_me)
app.add_typer(db.app, name="db", rich_help_panel="Service")
app.add_typer(keys.app, name="keys", rich_help_panel="Service")
app.add_typer(contacts.app, name="contacts", rich_help_panel="Lists")
app.add_typer(dnc.app, name="dnc", rich_help_panel="Lists")
campaigns.register(app)
app.command(rich_help_panel="Results")(report)
app.command(rich_help_panel="Results")(explain)
app.add_typer(rules_app, name="rules", rich_help_panel="Results")


def main() -> None:
    """The console script."""
    try:
        app()
    except CampaignError as error:  # the edge: an error that no command told
        fail(error)
