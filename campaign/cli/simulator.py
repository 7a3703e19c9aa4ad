"""`campaign simulator`: Twilio on your own machine."""

import asyncio
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN, Faults, SimulatorConfig
from campaign.simulator.config import DEFAULT_WEIGHTS
from campaign.simulator.people import BY_DIGITS, PERSONAS, check_persona
from campaign.simulator.process import read_people, run

_PEOPLE = "\n\n".join(f"* {name}: {what}" for name, what in PERSONAS.items())
_DIGITS = ", ".join(f"{index:02d} {name}" for index, name in enumerate(BY_DIGITS))
_FAULTS = ", ".join(item.name for item in fields(Faults))

_TEXT = f"""Run Twilio on your own machine: REST, signed callbacks, ConversationRelay with scripted people.

Start it, then start the service with the environment that it prints (account {ACCOUNT_SID}, token
{AUTH_TOKEN}). PUBLIC_URL of the service may then be http://127.0.0.1:PORT. Nobody is called.

People. Who answers is drawn from the seed and the number, so it is the same in every run, unless
--person, --people or --by-digits says otherwise. Personas, each also with _cut at its end (its
first socket is cut in mid-sentence, and the person goes on in the second):

{_PEOPLE}

--by-digits: the last two digits modulo {len(BY_DIGITS)} choose: {_DIGITS}.

--people FILE is TOML: a table "numbers" with lines such as "+12125550100" = "interested", and a
table "weights" with lines such as busy = 10.

Faults: --fault NAME=VALUE, rates from 0 to 1: {_FAULTS}.

What happened: GET /simulator/calls, /simulator/report, /simulator/debugger, /simulator/deliveries,
/simulator/frames. What shall go wrong from now on: POST /simulator/faults with a JSON object;
POST /simulator/people with {{"+1...": "persona"}}; POST /simulator/hangup with {{"call": "CA..."}}."""
HELP = "\n\n".join(paragraph.replace("\n", " ") for paragraph in _TEXT.split("\n\n"))


def simulator(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)] = 8877,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    cps: Annotated[float, typer.Option(help="Calls a second that the account dials; more are queued.")] = 1.0,
    max_calls: Annotated[
        int | None, typer.Option(help="Most calls at once; a call above fails (10004).")
    ] = None,
    caller_id: Annotated[
        list[str] | None, typer.Option(help="A number that the account owns, repeatable. None: all.")
    ] = None,
    account_sid: Annotated[str, typer.Option(help="The account's SID.")] = ACCOUNT_SID,
    auth_token: Annotated[str, typer.Option(help="The account's auth token.")] = AUTH_TOKEN,
    seed: Annotated[int, typer.Option(help="Seed of people, timings and faults.")] = 1,
    person: Annotated[
        list[str] | None, typer.Option(help="NUMBER=PERSONA, repeatable; wins over all else.")
    ] = None,
    people: Annotated[Path | None, typer.Option(help="TOML file with tables numbers and weights.")] = None,
    by_digits: Annotated[bool, typer.Option(help="The last two digits choose the persona.")] = False,
    cut_number: Annotated[
        list[str] | None, typer.Option(help="Cut this number's first socket in mid-sentence; repeatable.")
    ] = None,
    route: Annotated[
        list[str] | None,
        typer.Option(help="HOST=127.0.0.1:PORT: where https://HOST is on this machine; repeatable."),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable, e.g. rest_429=0.1")] = None,
    clock: Annotated[
        str | None, typer.Option(help="Instant at which the clock starts, e.g. 2026-11-24T10:00:00-05:00")
    ] = None,
    clock_rate: Annotated[float, typer.Option(help="Clock seconds per real second.")] = 1.0,
    clock_anchor: Annotated[
        float | None, typer.Option(help="Real instant (Unix seconds) at which the clock shows --clock.")
    ] = None,
    parent_pid: Annotated[int | None, typer.Option(help="End when this process ends.")] = None,
    ready_fd: Annotated[
        int | None, typer.Option(help="Descriptor to which the port is written when ready.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File to which the port is written when ready.")
    ] = None,
) -> None:
    """Run Twilio on your own machine (the command's help is `HELP`)."""
    try:
        numbers, weights = read_people(people) if people else ({}, {})
        numbers |= {number: check_persona(name) for number, name in _pairs(person, "--person")}
        faults = Faults()
        faults.update({name: _value(text) for name, text in _pairs(fault, "--fault")})
        config = SimulatorConfig(
            host=host,
            port=port,
            account_sid=account_sid,
            auth_token=auth_token,
            calls_per_second=cps,
            max_calls=max_calls,
            caller_ids=tuple(caller_id) if caller_id else None,
            seed=seed,
            people=numbers,
            by_digits=by_digits,
            weights=weights or dict(DEFAULT_WEIGHTS),
            cut_numbers=frozenset(cut_number or ()),
            routes=dict(_pairs(route, "--route")),
            clock_start=_instant(clock),
            clock_rate=clock_rate,
            clock_anchor=clock_anchor,
            faults=faults,
        )
        asyncio.run(run(config, parent_pid, ready_fd, ready_file))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    except OSError as error:
        typer.echo(
            f"The simulator can't listen on {host}:{port}: {error.strerror or error}. "
            "Choose another with --port, or --port 0 for a free one.",
            err=True,
        )
        raise typer.Exit(1) from error


simulator.__doc__ = HELP  # typer shows the docstring, and this one is put together from the tables


def _pairs(items: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for item in items or ():
        left, sign, right = item.partition("=")
        if not sign or not left or not right:
            raise ValueError(f"{option} {item!r}: write NAME=VALUE")
        pairs.append((left, right))
    return pairs


def _value(text: str) -> bool | float:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither a number nor true or false") from error


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--clock {text!r}: write it as 2026-11-24T10:00:00-05:00") from error
