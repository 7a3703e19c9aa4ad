"""`campaign keys` and `campaign doctor`, against a real database, the simulator and a real server."""

import asyncio
import json
import os
import shlex
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
import uvicorn
from typer.testing import CliRunner, Result

from campaign.cli import keys
from campaign.cli.doctor import Check, Verdict, _model, doctor, examine
from campaign.settings import Settings
from campaign.simulator import ACCOUNT_SID, AUTH_TOKEN, Simulator, SimulatorConfig
from campaign.store import accounts, users
from campaign.store.database import Database
from campaign.web.app import create_app
from campaign.wiring import open_services
from tests.support import rows
from tests.support.models import Answer, Then, model, page, refusal, says, streamed
from tests.support.openid import Provider
from tests.support.served import served

app = typer.Typer()
app.add_typer(keys.app, name="keys")
app.command()(doctor)

Run = Callable[..., Result]


@pytest.fixture
def cli(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in os.environ:
        if name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PUBLIC_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", db_url)
    monkeypatch.setenv("CAMPAIGN_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(line: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, shlex.split(line))
        assert result.exit_code == code, result.output
        return result

    return run


# ── keys ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_made_shown_once_listed_without_its_secret_and_revoked(cli: Run, db_url: str) -> None:
    made = json.loads(cli("keys create crm --role uploader --json").stdout)
    assert made["key"].startswith("cc_")
    assert len(made["key"]) > 40
    listed = cli("keys list").stdout
    assert "crm" in listed
    assert made["key"] not in listed
    assert made["created_by"].startswith("cli:")

    async def found() -> accounts.ApiKey | None:
        db = Database(db_url)
        try:
            async with db.connection() as tx:
                return await accounts.find_key(tx, made["key"])
        finally:
            await db.close()

    key = asyncio.run(found())
    assert key is not None
    assert key.role is accounts.Role.UPLOADER
    assert "revoked" in cli("keys revoke crm").stdout
    assert asyncio.run(found()) is None
    assert json.loads(cli("keys list --json").stdout) == []
    assert len(json.loads(cli("keys list --all --json").stdout)) == 1


def test_what_keys_cannot_do_ends_with_a_sentence_and_a_code(cli: Run) -> None:
    assert cli("keys create a --role analyst").stdout.startswith("cc_")
    assert "in force" in cli("keys create a --role analyst", 3).output
    assert "keys list" in cli("keys revoke nobody", 2).output
    assert "admin" in cli("keys create b --role king", 2).output
    assert "analyst" in cli("keys create --help").stdout


# ── doctor ─────────────────────────────────────────────────────────────────────────────────────────────


def settings_of(db_url: str, tmp_path: Path, **given: Any) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": db_url,
            "CAMPAIGN_DATA_DIR": str(tmp_path),
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            **given,
        }
    )


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@asynccontextmanager
async def serving(settings: Settings, listener: socket.socket) -> AsyncIterator[None]:
    """The real application on a real port."""
    async with open_services(settings, actor="test", role="web") as services:
        config = uvicorn.Config(create_app(services), log_config=None, lifespan="off", ws="websockets-sansio")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve([listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await running


async def test_a_service_in_good_health_has_no_fault(
    db: Database, db_url: str, tmp_path: Path, clock
) -> None:
    async with db.transaction() as tx:
        await rows.campaign(tx, clock.now(), state="draft")
    listener = socket.create_server(("127.0.0.1", 0))
    public = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with Simulator(SimulatorConfig()) as simulator:
        settings = settings_of(db_url, tmp_path, PUBLIC_URL=public, TWILIO_API_BASE_URL=simulator.base_url)
        async with serving(settings, listener):
            checks = await examine(settings)
    assert [check for check in checks if check.verdict is Verdict.FAULT] == []
    found = by_name(checks)
    for name in ("database", "schema", "auth token", "account", "caller ids", "rates", "rule packs"):
        assert found[name].verdict is Verdict.OK, found[name]
    assert "leads to this service" in found["public address"].said
    assert found["public address, sockets"].verdict is Verdict.OK
    assert AUTH_TOKEN not in str(checks)


async def test_each_fault_is_named_with_what_to_do_and_hides_no_other(
    db: Database, db_url: str, tmp_path: Path, clock
) -> None:
    async with db.transaction() as tx:
        await rows.campaign(tx, clock.now(), state="draft")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with Simulator(SimulatorConfig(caller_ids=("+12025550111",))) as simulator:
            checks = await examine(
                settings_of(
                    db_url,
                    tmp_path,
                    PUBLIC_URL=closed,
                    TWILIO_AUTH_TOKEN="wrong",
                    TWILIO_API_KEY="SK1",
                    TWILIO_API_SECRET="wrong too",
                    TWILIO_API_BASE_URL=simulator.base_url,
                    LLM_BASE_URL=closed + "/v1",
                    LLM_MODEL="m",
                )
            )
            rest = await examine(settings_of(db_url, tmp_path, TWILIO_API_BASE_URL=simulator.base_url))
    found = by_name(checks)
    for name in ("auth token", "account", "public address", "public address, sockets", "model 'default'"):
        assert found[name].verdict is Verdict.FAULT, name
        assert found[name].do, name
    assert found["service"].verdict is Verdict.NOTE
    assert by_name(rest)["PUBLIC_URL"].verdict is Verdict.FAULT
    assert rows.CALLER in by_name(rest)["campaign 'autumn'"].said


async def test_the_console_is_looked_at_its_users_and_its_openid_provider(
    db: Database, db_url: str, tmp_path: Path, clock
) -> None:
    provider = Provider()
    async with served(provider.app) as provider.address:
        openid = {"OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": "not told"}
        ours = settings_of(
            db_url, tmp_path, TWILIO_API_BASE_URL="http://127.0.0.1:9", **openid, OIDC_ISSUER=provider.address
        )
        before = by_name(await examine(ours))
        async with db.transaction() as tx:
            await users.insert(
                tx,
                email="ana@example.com",
                name="Ana",
                role=accounts.Role.ADMIN,
                password_hash=None,
                actor="test",
                now=clock.now(),
            )
        after = by_name(await examine(ours))
        provider.address = "https://elsewhere.example.com"
        other = by_name(await examine(ours))
    assert before["console users"].do == "Add one: campaign users add EMAIL --role admin"
    assert after["console users"].said == "1 can sign in."
    assert after["OpenID provider"].verdict is Verdict.OK
    assert other["OpenID provider"].verdict is Verdict.FAULT
    assert "calls itself 'https://elsewhere.example.com'" in other["OpenID provider"].said
    assert "not told" not in str(after)


async def test_another_service_behind_the_public_address_is_noticed(db_url: str, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    public = f"http://127.0.0.1:{listener.getsockname()[1]}"
    loopback = {"PUBLIC_URL": public, "TWILIO_API_BASE_URL": "http://127.0.0.1:9"}
    async with serving(settings_of(db_url, tmp_path, **loopback, TWILIO_AUTH_TOKEN="other"), listener):
        found = by_name(await examine(settings_of(db_url, tmp_path, **loopback)))
    assert "another auth token" in found["public address"].said


def test_wrong_settings_and_no_database_are_faults_that_a_program_can_read(
    cli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:9/none")
    told = cli("doctor --json", 1)
    checks = {check["name"]: check for check in json.loads(told.stdout)["checks"]}
    assert checks["database"]["verdict"] == "fault"
    assert checks["TWILIO_AUTH_TOKEN"]["verdict"] == "fault"
    assert "s3cret" not in told.output
    assert "FAULT" in cli("doctor", 1).stdout
    monkeypatch.setenv("PUBLIC_URL", "http://calls.example.net")
    assert "https" in json.loads(cli("doctor --json", 1).stdout)["checks"][0]["said"]


@pytest.mark.parametrize(
    ("answer", "verdict", "said", "do"),
    [
        (streamed(*says("chat", "Hello.")), Verdict.OK, "first word took", ""),
        (refusal("401 Unauthorized", "wrong key"), Verdict.FAULT, "refuses the key", "LLM_API_KEY"),
        (refusal("404 Not Found", "no model m"), Verdict.FAULT, "doesn't have the model", "LLM_MODEL"),
        (refusal("404 Not Found", "nothing here"), Verdict.FAULT, "no such address", "LLM_BASE_URL"),
        (refusal("400 Bad Request", "top_k?"), Verdict.FAULT, "top_k?", "LLM_PARAMS"),
        (refusal("429 Slow down", "no quota left"), Verdict.FAULT, "no money left", "billing"),
        (refusal("429 Slow down", "slow down"), Verdict.NOTE, "busy", "Try again"),
        (refusal("500 Oops"), Verdict.FAULT, "failed", "status page"),
        (page("200 OK"), Verdict.FAULT, "web page", "LLM_KIND"),
        ([Then.CUT], Verdict.FAULT, "can't be reached", "LLM_BASE_URL"),
    ],
)
async def test_a_model_is_tried_and_what_is_wrong_is_said_in_words(
    db_url: str, tmp_path: Path, answer: Answer, verdict: Verdict, said: str, do: str
) -> None:
    async with model() as server:
        server.will(answer)
        settings = settings_of(db_url, tmp_path, LLM_BASE_URL=server.url, LLM_MODEL="m", LLM_API_KEY="sk-9")
        check = await _model(settings.profiles["default"])
    assert check.verdict is verdict
    assert said in check.said
    assert do in check.do
    assert len(server.asked) == 1


async def test_a_model_that_is_too_slow_for_a_conversation_is_told(db_url: str, tmp_path: Path) -> None:
    async with model("anthropic") as server:
        server.will(streamed(*says("anthropic", "Hello.")))
        given = {"LLM_BASE_URL": server.url, "LLM_MODEL": "m", "LLM_KIND": "anthropic"}
        settings = settings_of(db_url, tmp_path, **given, LLM_FIRST_TOKEN_SECONDS="0.0001")
        check = await _model(settings.profiles["default"])
    assert check.verdict is Verdict.NOTE
    assert "LLM_FIRST_TOKEN_SECONDS=0.0001" in check.do


def test_an_unreachable_twilio_is_one_fault_with_advice(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    monkeypatch.setenv("TWILIO_API_BASE_URL", "http://127.0.0.1:9")
    said = cli("doctor", code=1).output
    assert said.count("No connection to Twilio") == 1
    assert "way to Twilio, and TWILIO_API_BASE_URL" in said
