"""The composition root: opens everything that a command or the service needs, and closes all of it.

The real clock and the real dice are made here and nowhere else.
"""

import asyncio
import contextlib
import gc
import hmac
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import structlog

from campaign.agent.llm import LlmAgent
from campaign.agent.profile import Profile
from campaign.agent.protocol import Agent
from campaign.agent.scripted import ScriptedAgent
from campaign.domain.budget import Rates, parse_rates
from campaign.domain.clock import Clock, Offset
from campaign.domain.dialogue import Patience
from campaign.domain.errors import SettingsError
from campaign.domain.retention import Keep, policy
from campaign.domain.rulebook import Rulebook, parse_rulebook, release
from campaign.domain.script import SCRIPTED
from campaign.domain.webhooks import SECRET_BYTES, secret_from
from campaign.flow.deliveries import Deliveries
from campaign.flow.dialer import Counters
from campaign.flow.live_talks import LiveTalks
from campaign.flow.outcomes import Terms
from campaign.flow.passwords import Passwords
from campaign.flow.standing import Account
from campaign.settings import ModelProfile, Settings
from campaign.store import migrate
from campaign.store.database import Database, claim_kind
from campaign.store.embedded import attach, default_data_dir
from campaign.store.leases import Replica
from campaign.telephony.addresses import Addresses
from campaign.telephony.gateway import Gateway
from campaign.telephony.lookup import TwilioLookup

log = structlog.get_logger(__name__)

SYNC_S = 30.0
"""How often a process takes its offset from Postgres anew."""
ASKED = 4
"""How often Postgres is asked for one offset: a busy moment must not make the clock jump."""


_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's clock that goes on while the machine sleeps; macOS's monotonic one does so by itself."""


def _uptime() -> float:
    """Seconds, the machine's sleep included. By Python's own monotonic clock an intent of hours ago would
    look fresh to a laptop or a virtual machine that has just woken, and would be dialled."""
    return time.clock_gettime(_UPTIME)


class ServiceClock:
    """The one clock of all replicas: Postgres' time, advanced by the monotonic clock, moved if told to.

    A jump of this machine's wall clock changes nothing. `now()` never goes back.

    Args:
        start, rate, anchor: show `start` at the real instant `anchor` (Unix seconds; None for now) and run
            `rate` times faster from there; start None for real time.
    """

    def __init__(self, start: datetime | None = None, rate: float = 1.0, anchor: float | None = None) -> None:
        self.rate = rate
        self._start = start
        self._opened = _uptime()
        wall = time.time()
        self._offset = Offset(wall - self._opened, wall - self._opened, self._opened)
        self._synced = False
        self._anchor = anchor if anchor is not None else wall
        self._last = 0.0

    def _real(self) -> float:
        uptime = _uptime()
        return uptime + self._offset.at(uptime)

    def now(self) -> datetime:
        """The present instant in UTC."""
        real = self._real()
        if self._start is not None:
            real = self._start.timestamp() + (real - self._anchor) * self.rate
        self._last = max(self._last, real)
        return datetime.fromtimestamp(self._last, UTC)

    def monotonic(self) -> float:
        """Clock seconds since this clock was made."""
        return (_uptime() - self._opened) * self.rate

    async def sleep(self, seconds: float) -> None:
        """Pause for clock seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.rate)

    async def sync(self, db: Database) -> None:
        """Take the offset from Postgres: of a few answers, the one that came quickest, halving its way. The
        first is taken over at once, corrections little by little."""
        best: tuple[float, float] | None = None
        for _ in range(ASKED):
            before = _uptime()
            told = await db.now()
            after = _uptime()
            offset = told.timestamp() + (after - before) / 2 - after
            if best is None or after - before < best[0]:
                best = (after - before, offset)
        assert best is not None
        uptime = _uptime()
        self._offset = (
            self._offset.corrected(best[1], uptime) if self._synced else Offset(best[1], best[1], uptime)
        )
        self._synced = True

    async def keep_synced(self, db: Database) -> None:
        """Take the offset anew every 30 real seconds, for as long as the task lives."""
        while True:
            await asyncio.sleep(SYNC_S)
            with contextlib.suppress(Exception):  # the database is away: the monotonic clock carries on
                await self.sync(db)


@dataclass
class Services:
    """What a command or the service works with; made by `open_services`, closed with it."""

    settings: Settings
    clock: ServiceClock
    db: Database
    rulebook: Rulebook
    rates: Rates
    data_dir: Path
    actor: str
    replica: Replica
    agents: "Agents"
    talks: LiveTalks = field(default_factory=LiveTalks)
    draining: bool = False
    """This process is about to end: load balancers should send nothing more here."""
    counters: Counters | None = None
    """What this process's dialler has done; None: it has none."""
    passwords: Passwords = field(default_factory=lambda: Passwords(lambda: secrets.token_bytes(16)))
    _gateway: Gateway | None = None
    _lookup: TwilioLookup | None = None

    def __post_init__(self) -> None:
        self.talks.terms = self.terms

    @property
    def terms(self) -> Terms:
        """What closing an attempt goes by."""
        return Terms(self.rates, self.clock.rate, self.rulebook)

    @property
    def account(self) -> Account:
        """What a campaign's standing depends on besides the database."""
        return Account(
            self.rulebook,
            self.rates,
            self.settings.twilio_calls_per_second,
            self.settings.twilio_max_calls,
            self.clock.rate,
        )

    @property
    def retention(self) -> tuple[Keep, ...]:
        """How long each kind of record is kept.

        Raises:
            SettingsError: the settings keep a kind shorter than a law demands, or can't be read.
        """
        return policy(self.settings.retention, self.rulebook, self.clock.now().date())

    @property
    def addresses(self) -> Addresses:
        """Where Twilio finds this service.

        Raises:
            SettingsError: PUBLIC_URL is not set.
        """
        self.settings.require("PUBLIC_URL")
        return Addresses(self.settings.public_url or "", self.settings.twilio_fallback_url)

    @property
    def gateway(self) -> Gateway:
        """Twilio's REST API.

        Raises:
            SettingsError: the account's settings are missing.
        """
        if self._gateway is None:
            self._gateway = open_gateway(self.settings)
        return self._gateway

    @property
    def lookup(self) -> TwilioLookup:
        """Who is asked about numbers.

        Raises:
            SettingsError: the account's settings are missing.
        """
        if self._lookup is None:
            self._lookup = TwilioLookup(*credentials(self.settings), self.settings.twilio_api_base_url)
        return self._lookup

    def deliveries(self, db: Database | None = None) -> Deliveries:
        """What sends webhooks.

        Args:
            db: fenced by the scheduler's lease; None: this process's own way in.
        """
        return Deliveries(
            db or self.db,
            self.clock,
            loopback=self.settings.twilio_is_loopback,
            dice=dice,
            rate=self.clock.rate,
        )

    @cached_property
    def secret(self) -> bytes:
        """A secret that all replicas share without exchanging it: made from the account's auth token.

        Raises:
            SettingsError: there is no auth token.
        """
        self.settings.require("TWILIO_AUTH_TOKEN")
        return hmac.digest(self.settings.auth_tokens[0].encode(), b"campaign: session tokens", "sha256")

    async def close_gateway(self) -> None:
        """Close the connections to Twilio, if any were opened."""
        if self._gateway is not None:
            await self._gateway.close()
        if self._lookup is not None:
            await self._lookup.close()


class Agents:
    """The agents of this process by profile: the scripted one, and one for each model of the settings."""

    def __init__(self, settings: Settings, clock: ServiceClock) -> None:
        self._agents: dict[str, Agent] = {SCRIPTED: ScriptedAgent()}
        for name, profile in settings.profiles.items():
            self._agents[name] = open_model(profile, clock)

    def named(self, profile: str) -> Agent | None:
        """The agent of a profile; None when the settings know no such profile."""
        return self._agents.get(profile)

    async def close(self) -> None:
        """Close all connections to models."""
        for agent in self._agents.values():
            await agent.close()


def open_model(profile: ModelProfile, clock: Clock) -> LlmAgent:
    """The agent of one profile of the settings; nothing is connected yet."""
    return LlmAgent(
        Profile(
            name=profile.name,
            base_url=profile.base_url,
            model=profile.model,
            kind=profile.kind,
            api_key=profile.api_key.get_secret_value(),
            params=profile.params,
            max_tokens=profile.max_tokens,
            patience=Patience(profile.first_token_seconds, profile.gap_seconds, profile.total_seconds),
        ),
        clock,
    )


def open_gateway(settings: Settings) -> Gateway:
    """The gateway of the settings' account.

    Raises:
        SettingsError: naming the settings that are missing.
    """
    return Gateway(*credentials(settings), settings.twilio_api_base_url)


def credentials(settings: Settings) -> tuple[str, str, str]:
    """The account's SID, and the user name and password of its REST API.

    Raises:
        SettingsError: naming the settings that are missing.
    """
    if settings.twilio_api_key and settings.twilio_api_secret:
        settings.require("TWILIO_ACCOUNT_SID")
        username, password = settings.twilio_api_key, settings.twilio_api_secret.get_secret_value()
    else:
        settings.require("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
        assert settings.twilio_auth_token is not None
        username, password = settings.twilio_account_sid or "", settings.twilio_auth_token.get_secret_value()
    assert settings.twilio_account_sid is not None
    return settings.twilio_account_sid, username, password


def token() -> str:
    """256 random bits for an address: an attempt's marker, a session's token, an API key."""
    return secrets.token_urlsafe(32)


def webhook_secret() -> str:
    """A new secret for a webhook endpoint."""
    return secret_from(secrets.token_bytes(SECRET_BYTES))


def dice() -> float:
    """A number from 0 to 1, for the jitter of retries."""
    return secrets.SystemRandom().random()


def data_dir_of(settings: Settings) -> Path:
    """The data directory: the setting's, or the default for this user."""
    return settings.data_dir or default_data_dir(Path.home())


@dataclass(frozen=True, slots=True)
class RuleData:
    """What decisions rest on besides the packs: releases of the packages, and where the clocks come from."""

    tzdata: str
    tzdata_from: str
    phonenumbers: str
    holidays: str

    def in_words(self) -> str:
        """For start-up and `campaign doctor`."""
        return (
            f"tzdata {self.tzdata} from {self.tzdata_from} (the system's copy is not used), "
            f"phonenumbers {self.phonenumbers}, holidays {self.holidays}"
        )


def rule_data() -> RuleData:
    """The releases that are installed here."""
    return RuleData(
        tzdata=version("tzdata"),
        tzdata_from=str(resources.files("tzdata")),
        phonenumbers=version("phonenumbers"),
        holidays=version("holidays"),
    )


def read_rulebook(tzdata: str | None = None) -> Rulebook:
    """The jurisdiction packs that come with the package.

    Args:
        tzdata: the release of the time-zone database; None: the one that is installed.

    Raises:
        SettingsError: it is older than a pack needs, so that calls would go out at the wrong hour.
    """
    folder = resources.files("campaign") / "rulebooks"
    texts: Mapping[str, str] = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
    book = parse_rulebook(texts)
    installed = tzdata if tzdata is not None else rule_data().tzdata
    if old := book.too_old(installed):
        needed = max((pack.needs_tzdata for pack in old), key=release)
        raise SettingsError(
            f"The time-zone database (tzdata {installed}) is older than {', '.join(pack.id for pack in old)} "
            f"needs ({needed}): clocks have been changed by law since, and calls would come at a wrong hour.",
            f"Install it: pip install 'tzdata>={needed}'",
        )
    return book


def read_rates(settings: Settings) -> Rates:
    """The rates file of the settings, or the one that comes with the package.

    Raises:
        SettingsError: the file cannot be read or used.
    """
    if settings.rates_file is None:
        return parse_rates((resources.files("campaign") / "rates.toml").read_text("utf-8"), "rates.toml")
    try:
        return parse_rates(settings.rates_file.read_text("utf-8"), str(settings.rates_file))
    except OSError as error:
        raise SettingsError(
            f"CAMPAIGN_RATES_FILE names {settings.rates_file}, which cannot be read: {error.strerror}.",
            "Name a readable TOML file, or unset it to use the rates that come with the package.",
        ) from None


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    actor: str,
    role: str = "command",
    migrated: bool = True,
    pool_size: int = 5,
) -> AsyncIterator[Services]:
    """Open the database (starting the embedded one if none is named), the clock and the rest.

    Args:
        actor: who acts, for the audit trail, e.g. "cli:ana".
        role: of this process, e.g. "all", "dialer", "command".
        migrated: refuse a database whose schema is not the code's.
        pool_size: most database connections at once.
    Raises:
        DatabaseUnavailable, SchemaMismatch, SettingsError, Conflict (a simulated service on a real database
        or the reverse).
    """
    async with AsyncExitStack() as stack:
        data_dir = data_dir_of(settings)
        url = _database_url(settings, data_dir, stack)
        db = Database(url, pool_size=pool_size)
        stack.push_async_callback(db.close)
        clock = ServiceClock(settings.clock_start, settings.clock_rate, settings.clock_anchor)
        if settings.database_url is None and migrated and migrate.current(url) is None:
            # A fresh embedded database is ours alone; one that is behind waits for `campaign db upgrade`.
            await asyncio.to_thread(migrate.upgrade, url)
        await clock.sync(db)
        syncing = asyncio.create_task(clock.keep_synced(db))
        stack.callback(syncing.cancel)
        if migrated:
            await migrate.require_current(db)
            async with db.transaction() as tx:
                await claim_kind(tx, settings.kind, clock.now())
        host = socket.gethostname()
        services = Services(
            settings=settings,
            clock=clock,
            db=db,
            rulebook=read_rulebook(),
            rates=read_rates(settings),
            data_dir=data_dir,
            actor=actor,
            agents=Agents(settings, clock),
            replica=Replica(
                id=f"{host}:{os.getpid()}:{secrets.token_hex(4)}",
                role=role,
                host=host,
                pid=os.getpid(),
                started_at=clock.now(),
                detail={"schema": migrate.head()},
            ),
        )
        stack.push_async_callback(services.close_gateway)
        stack.push_async_callback(services.agents.close)
        yield services


def _database_url(settings: Settings, data_dir: Path, stack: AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    attachment = attach(data_dir)
    stack.callback(attachment.close)
    return attachment.url


def settle_memory() -> None:
    """Tell the garbage collector what this process is: much that stays, and garbage in small pieces.

    To be called once when all is loaded. By default every 700 new objects start a collection and now and then
    one looks through everything that was ever loaded: tens of milliseconds in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def hold_lease(clock: ServiceClock, seconds: float) -> timedelta:
    """A lease of so many real seconds, in clock time: leases are about real machines."""
    return timedelta(seconds=seconds * clock.rate)
