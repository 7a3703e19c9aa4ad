"""`campaign doctor`: is everything there that calling people needs, and what to do where it isn't."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import httpx
import typer
from rich.markup import escape

from campaign.agent.protocol import AgentError, Fault
from campaign.cli.common import out, print_json, quiet_logs
from campaign.domain.errors import CampaignError, TwilioError
from campaign.flow.draining import ANSWERS
from campaign.flow.numbers import standing
from campaign.settings import ModelProfile, Settings, read_settings
from campaign.store import campaigns, leases, migrate, users
from campaign.store.database import Database
from campaign.store.embedded import attach
from campaign.telephony.addresses import RELAY, Addresses
from campaign.telephony.gateway import Gateway, TwilioRefused
from campaign.web import static_files
from campaign.web.health import health_proof
from campaign.wiring import (
    ServiceClock,
    data_dir_of,
    open_gateway,
    open_model,
    read_rates,
    read_rulebook,
    rule_data,
)

HTTP_SECONDS = 10.0
HEARTBEAT = timedelta(seconds=15)


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    verdict: Verdict
    said: str
    do: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check each setting, the database, Twilio, the public address and the models.

    Nothing is changed and nobody is called. Says for each fault what to do; ends with 1 when there is one.
    For the public address the service must be running: start `campaign serve` in another terminal first.
    """
    try:
        settings = read_settings()
    except CampaignError as error:
        checks = [Check("settings", Verdict.FAULT, error.what, error.do)]
    else:
        quiet_logs(settings)
        checks = asyncio.run(examine(settings))
    well = all(check.verdict is not Verdict.FAULT for check in checks)
    if as_json:
        print_json({"ok": well, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks, well)
    if not well:
        raise typer.Exit(1)


def _print(checks: Sequence[Check], well: bool) -> None:
    signs = {Verdict.OK: "[green]ok   [/]", Verdict.NOTE: "[yellow]note [/]", Verdict.FAULT: "[red]FAULT[/]"}
    for check in checks:
        out.print(f"{signs[check.verdict]} {escape(check.name)}: {escape(check.said)}")
        if check.do:
            out.print(f"      {escape(check.do)}")
    faults = sum(check.verdict is Verdict.FAULT for check in checks)
    out.print("Everything is in place." if well else f"{faults} fault{'s' if faults > 1 else ''}; see above.")


async def examine(settings: Settings) -> list[Check]:
    """Look at everything; one fault never hides another."""
    checks = [*_settings(settings), *_files(settings)]
    async with AsyncExitStack() as stack:
        db, found = await _database(settings, stack)
        checks += found
        checks += await _twilio(settings, db)
        checks += await _public_url(settings)
        checks += await _console(settings, db)
        for profile in settings.profiles.values():
            checks.append(await _model(profile))
        if not settings.profiles:
            half_set = settings.llm_api_key is not None or settings.llm_base_url or settings.llm_kind
            said = "LLM_MODEL is not set, so no model is used: the scripted agent talks."
            checks.append(
                Check("model", Verdict.NOTE, said, "Set LLM_MODEL, or unset the other LLM_ settings.")
                if half_set
                else Check("model", Verdict.OK, "None is set: the scripted agent talks.")
            )
    return checks


# ── settings and files ─────────────────────────────────────────────────────────────────────────────────

_NEEDED = {
    "PUBLIC_URL": "Set it to the https address at which Twilio reaches this service, e.g. of a tunnel.",
    "TWILIO_ACCOUNT_SID": "Copy it from the front page of Twilio's console (AC…).",
    "TWILIO_AUTH_TOKEN": "Copy it from Twilio's console: webhooks are signed with it, also with API keys.",
}


def _settings(settings: Settings) -> list[Check]:
    found = []
    for key, field in type(settings).model_fields.items():
        name, value = field.alias or key, getattr(settings, key)
        if value is None and name in _NEEDED:
            found.append(Check(name, Verdict.FAULT, "Not set.", _NEEDED[name]))
        elif value is not None and value != () and value != field.default:
            secret = hasattr(value, "get_secret_value")
            said = "Set." if secret or isinstance(value, tuple) else f"{value}."
            found.append(Check(name, Verdict.OK, said))
    if settings.twilio_is_loopback:
        found.append(Check("kind", Verdict.NOTE, "Twilio is a simulator on this machine: nobody is called."))
    if settings.twilio_auth_token_previous is not None:
        found.append(
            Check(
                "token rotation",
                Verdict.NOTE,
                "Webhooks signed with the previous auth token are accepted too.",
                "Unset TWILIO_AUTH_TOKEN_PREVIOUS when the rotation is done.",
            )
        )
    return found


def _files(settings: Settings) -> list[Check]:
    data_dir = data_dir_of(settings)
    found = []
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        writable = os.access(data_dir, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if writable:
        found.append(Check("data directory", Verdict.OK, f"{data_dir} can be written."))
    else:
        do = "Give this user the directory, or name another in CAMPAIGN_DATA_DIR."
        found.append(Check("data directory", Verdict.FAULT, f"{data_dir} cannot be written.", do))
    for name, read in (("rates", lambda: read_rates(settings)), ("rule packs", read_rulebook)):
        try:
            read()
        except CampaignError as error:
            found.append(Check(name, Verdict.FAULT, error.what, error.do))
        else:
            found.append(Check(name, Verdict.OK, "Can be read."))
    found.append(Check("time zones", Verdict.OK, f"{rule_data().in_words()}."))
    return found


# ── the database ───────────────────────────────────────────────────────────────────────────────────────


async def _database(settings: Settings, stack: AsyncExitStack) -> tuple[Database | None, list[Check]]:
    try:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        else:
            attachment = await asyncio.to_thread(attach, data_dir_of(settings))
            stack.callback(attachment.close)
            url = attachment.url
        db = Database(url, pool_size=1)
        stack.push_async_callback(db.close)
        await db.now()
    except CampaignError as error:
        return None, [Check("database", Verdict.FAULT, error.what, error.do)]
    which = db.url if settings.database_url else f"The embedded one in {data_dir_of(settings)}"
    found = [Check("database", Verdict.OK, f"{which} answers.")]
    at, needed = await asyncio.to_thread(migrate.current, url), migrate.head()
    if at is None and settings.database_url is None:
        found.append(Check("schema", Verdict.OK, "Not there yet; the first command makes it."))
        return None, found
    if (fault := await migrate.mismatch(db)) is not None:
        said = f"It is at {at or 'nothing'}; this code needs {needed}."
        return None, [*found, Check("schema", Verdict.FAULT, said, fault.do)]
    clock = ServiceClock(settings.clock_start, settings.clock_rate, settings.clock_anchor)
    await clock.sync(db)
    return db, [*found, Check("schema", Verdict.OK, f"It is at {at}."), await _heartbeat(db, clock)]


async def _heartbeat(db: Database, clock: ServiceClock) -> Check:
    async with db.connection() as tx:
        alive = await leases.alive(tx, clock.now() - HEARTBEAT * clock.rate)
    roles = sorted({role for _, role, _ in alive if role != "command"})
    if roles:
        return Check("service", Verdict.OK, f"Running: {', '.join(roles)}.")
    return Check("service", Verdict.NOTE, "No process of it has a heartbeat.", "Start it: campaign serve")


# ── Twilio ─────────────────────────────────────────────────────────────────────────────────────────────


_WAY = "Check this machine's way to Twilio, and TWILIO_API_BASE_URL if it is set."


async def _twilio(settings: Settings, db: Database | None) -> list[Check]:
    if settings.twilio_account_sid is None or settings.twilio_auth_token is None:
        return []  # said above
    found = [await _auth_token(settings)]
    if found[0].do == _WAY:
        return found  # whatever else is asked would say the same
    gateway = open_gateway(settings)
    try:
        account = await gateway.account()
        if account.status != "active":
            do = "Twilio's console tells why."
            found.append(Check("account", Verdict.FAULT, f"{account.name!r} is {account.status}.", do))
        elif account.kind == "Trial":
            said = f"{account.name!r} is a trial: verified numbers only, and no ConversationRelay."
            found.append(Check("account", Verdict.FAULT, said, "Upgrade it at Twilio."))
        else:
            found.append(Check("account", Verdict.OK, f"{account.name!r} is active."))
        numbers = await gateway.caller_ids()
        found += await _caller_ids(gateway, {one.phone for one in numbers}, db)
        found += await _calls_to_us(gateway, settings, db)
    except TwilioError as error:
        found.append(Check("account", Verdict.FAULT, error.what, error.do))
    finally:
        await gateway.close()
    return found


async def _auth_token(settings: Settings) -> Check:
    """Webhooks are signed with the auth token even when requests use an API key: try the token itself."""
    assert settings.twilio_account_sid is not None
    assert settings.twilio_auth_token is not None
    sid, token = settings.twilio_account_sid, settings.twilio_auth_token.get_secret_value()
    gateway = Gateway(sid, sid, token, settings.twilio_api_base_url)
    try:
        await gateway.account()
    except TwilioRefused as error:
        do = "Copy TWILIO_AUTH_TOKEN anew from Twilio's console: without it every webhook is refused."
        return Check("auth token", Verdict.FAULT, error.what, do)
    except TwilioError as error:
        return Check("auth token", Verdict.FAULT, error.what, _WAY)
    finally:
        await gateway.close()
    return Check("auth token", Verdict.OK, "Twilio takes it.")


_ALIVE = ("draft", "scheduled", "running", "paused", "stopping")


async def _caller_ids(gateway: Gateway, ids: set[str], db: Database | None) -> list[Check]:
    if not ids:
        said = "The account has no number and no verified caller id."
        return [Check("caller ids", Verdict.FAULT, said, "Buy a number at Twilio, or verify one of yours.")]
    found = [Check("caller ids", Verdict.OK, f"{len(ids)} at Twilio: {', '.join(sorted(ids)[:10])}.")]
    if db is None:
        return found
    async with db.connection() as tx:
        wanted = {
            row.name: await campaigns.definition(tx, row.id) for row in await campaigns.listed(tx, _ALIVE)
        }
    for name, definition in wanted.items():
        wanted_ids = [one["number"] for one in definition["caller_ids"] if one["number"] not in ids]
        missing = [number for number in wanted_ids if not await gateway.caller_ids(number)]
        if missing:
            said = f"{', '.join(missing)} is not a number of the account: its calls will be refused."
            do = "Buy or verify it at Twilio, or edit the campaign's caller_ids."
            found.append(Check(f"campaign {name!r}", Verdict.FAULT, said, do))
    return found


async def _calls_to_us(gateway: Gateway, settings: Settings, db: Database | None) -> list[Check]:
    """Whoever rings a caller id back must reach this service."""
    if db is None or settings.public_url is None:
        return []
    ours = Addresses(settings.public_url).incoming()
    wrong = [one for one in await standing(gateway, db, ours) if not one.ours and one.used_by]
    return [
        Check(
            f"calls to {one.phone}",
            Verdict.NOTE,
            one.in_words,
            f"Set it: campaign numbers --point {one.phone}",
        )
        for one in wrong
    ] or [Check("calls to us", Verdict.OK, "Whoever rings a caller id back reaches this service.")]


# ── the public address ─────────────────────────────────────────────────────────────────────────────────


async def _public_url(settings: Settings) -> list[Check]:
    if settings.public_url is None:
        return []  # said above
    addresses = Addresses(settings.public_url)
    limits = httpx.Timeout(HTTP_SECONDS)
    async with httpx.AsyncClient(timeout=limits, follow_redirects=False, trust_env=False) as client:
        return [await _https(client, addresses, settings), await _wss(client, addresses)]


async def _https(client: httpx.AsyncClient, addresses: Addresses, settings: Settings) -> Check:
    nonce = secrets.token_urlsafe(16)
    name = "public address"
    try:
        answer = await client.get(addresses.at("/health"), params={"nonce": nonce})
        told = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
    except (httpx.HTTPError, ValueError) as error:
        said = f"{addresses.at('/health')} cannot be reached: {type(error).__name__} {error}".rstrip() + "."
        do = "Is `campaign serve` running, and does the tunnel or proxy lead to its port?"
        return Check(name, Verdict.FAULT, said, do)
    proof = told.get("proof") if isinstance(told, dict) else None
    if not isinstance(proof, str):
        said = f"{addresses.at('/health')} answers {answer.status_code}, but not as this service."
        return Check(name, Verdict.FAULT, said, "Point the tunnel or proxy at the port of `campaign serve`.")
    if proof != health_proof(settings, nonce):
        said = "A campaign service answers there, but with another auth token than this command's."
        do = "Is PUBLIC_URL that of another installation, or was the service started with other settings?"
        return Check(name, Verdict.FAULT, said, do)
    role = told.get("role", "all")
    if role not in ANSWERS:
        said = f"{addresses.public_url} leads to a process with --role {role}, which doesn't answer Twilio."
        return Check(name, Verdict.FAULT, said, "Point it at the port of one with --role web or all.")
    return Check(name, Verdict.OK, f"{addresses.public_url} leads to this service.")


async def _wss(client: httpx.AsyncClient, addresses: Addresses) -> Check:
    """A handshake without a signature must be refused with 403: then it has come through to us."""
    name = "public address, sockets"
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "ZG9jdG9yIGxvb2tzIGluIQ==",
    }
    path = RELAY.format(token="doctor-without-a-signature")
    try:
        async with client.stream("GET", addresses.at(path), headers=headers) as answer:
            status = answer.status_code
    except httpx.HTTPError as error:
        said = f"{addresses.socket(path)} cannot be reached: {type(error).__name__}."
        return Check(name, Verdict.FAULT, said, "See `public address` above.")
    if status == 403:
        return Check(name, Verdict.OK, f"{addresses.socket('')} lets sockets through.")
    if status == 101:
        said = "A socket without Twilio's signature was accepted."
        return Check(name, Verdict.FAULT, said, "Something else than this service answers there.")
    said = f"A socket's handshake was answered with {status}, not by this service."
    return Check(
        name, Verdict.FAULT, said, "Let the proxy or tunnel pass WebSocket upgrades to this service."
    )


# ── the console ────────────────────────────────────────────────────────────────────────────────────────


async def _console(settings: Settings, db: Database | None) -> list[Check]:
    """Whether people can sign in: files that pages need, users, the OpenID provider."""
    found = []
    if lacking := static_files.missing():
        do = "In a checkout run .ci/setup; a wheel has them: install the service anew."
        found.append(Check("console files", Verdict.FAULT, f"Missing: {', '.join(lacking)}.", do))
    if db is not None:
        try:
            async with db.connection() as tx:
                count = len([user for user in await users.listed(tx) if user.disabled_at is None])
        except CampaignError:
            count = None  # told by the check of the database
        if count == 0:
            do = "Add one: campaign users add EMAIL --role admin"
            found.append(Check("console users", Verdict.NOTE, "Nobody can sign in yet.", do))
        elif count:
            found.append(Check("console users", Verdict.OK, f"{count} can sign in."))
    if settings.openid is not None:
        from campaign.web.openid import CALLBACK, OpenId  # 10 MB that no other command needs

        try:
            await OpenId(settings.openid).described(ServiceClock().now())
        except CampaignError as error:
            found.append(Check("OpenID provider", Verdict.FAULT, error.what, error.do))
        else:
            said = f"{settings.openid.issuer} answers."
            do = (
                f"It must allow the redirect address {settings.console_urls[0]}{CALLBACK}."
                if settings.console_urls
                else ""
            )
            found.append(Check("OpenID provider", Verdict.OK, said, do))
    return found


# ── models ─────────────────────────────────────────────────────────────────────────────────────────────


SLOW_MS = 1000
"""A first word later than this makes people say "hello?"."""


async def _model(profile: ModelProfile) -> Check:
    """One tiny request, as a conversation makes it, and what comes of it in words."""
    name = f"model {profile.name!r}"
    prefix = "LLM_" if profile.name == "default" else f"LLM_{profile.name.upper().replace('-', '_')}_"
    agent = open_model(profile, ServiceClock())
    try:
        async with asyncio.timeout(HTTP_SECONDS):
            took_ms = await agent.probe()
    except TimeoutError:
        said = f"{profile.model!r} at {profile.base_url} says nothing within {HTTP_SECONDS:.0f} s."
        return Check(name, Verdict.FAULT, said, "Is it still starting? Endpoints that sleep take a minute.")
    except AgentError as error:
        return await _ill(name, prefix, profile, error)
    finally:
        await agent.close()
    said = f"{profile.model!r} at {profile.base_url} answers; its first word took {took_ms} ms."
    if took_ms > profile.first_token_seconds * 1000:
        limit = f"{prefix}FIRST_TOKEN_SECONDS={profile.first_token_seconds:g}"
        do = f"A conversation would have given it up before: {limit}."
        return Check(name, Verdict.NOTE, said, do)
    slow = took_ms > SLOW_MS
    return Check(name, Verdict.NOTE if slow else Verdict.OK, said, "That is slow for a call." if slow else "")


_REMEDIES = {
    Fault.UNREACHABLE: "Check {prefix}BASE_URL, and this machine's way there; it usually ends in /v1.",
    Fault.ADDRESS: "Check {prefix}BASE_URL; it usually ends in /v1.",
    Fault.KEY: "Check {prefix}API_KEY.",
    Fault.MODEL: "Check {prefix}MODEL.",
    Fault.MONEY: "Look at the account's billing at the vendor.",
    Fault.BUSY: "Try again; if it stays so, ask the vendor for a higher limit.",
    Fault.REQUEST: "Check {prefix}KIND, {prefix}PARAMS and {prefix}MAX_TOKENS.",
    Fault.SERVER: "Try again; if it stays so, the vendor's status page may tell.",
    Fault.BROKEN: "Check {prefix}KIND and {prefix}BASE_URL: is it a chat API at all?",
}


async def _ill(name: str, prefix: str, profile: ModelProfile, error: AgentError) -> Check:
    why = str(error).removeprefix(f"{profile.name}: ")
    said = f"{profile.base_url}: {error.fault.value} ({why})."
    do = _REMEDIES[error.fault].format(prefix=prefix)
    if error.fault is Fault.KEY and not profile.api_key.get_secret_value():
        do = f"{prefix}API_KEY is not set; copy a key from the vendor's console."
    if error.fault is Fault.MODEL and (models := await _models(profile)):
        do += f" It has for example: {', '.join(models[:5])}."
    return Check(name, Verdict.NOTE if error.fault is Fault.BUSY else Verdict.FAULT, said, do)


async def _models(profile: ModelProfile) -> list[str]:
    """What the server says that it has: every kind of server lists it at the same place."""
    key = profile.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}", "x-api-key": key, "anthropic-version": "2023-06-01"}
    limits = httpx.Timeout(HTTP_SECONDS)
    try:
        async with httpx.AsyncClient(
            timeout=limits, headers=headers if key else {}, trust_env=False
        ) as client:
            listed = (await client.get(f"{profile.base_url}/models")).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return []
    found = listed.get("data") if isinstance(listed, dict) else None
    return sorted(str(one.get("id")) for one in found or [] if isinstance(one, dict))
