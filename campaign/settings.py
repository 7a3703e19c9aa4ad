"""The only reader of the environment: one frozen `Settings`, checked as a whole before anything starts."""

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    model_validator,
)

from campaign.agent.profile import VENDORS, Kind, at_its_path, kind_of
from campaign.domain.dialogue import Patience
from campaign.domain.errors import SettingsError


def _blank_is_unset(value: object) -> object:
    """`NAME=` in an .env file means: not set."""
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str | None, BeforeValidator(_blank_is_unset)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)]
_USUAL = Patience()


class ModelProfile(BaseModel):
    """One language model that campaigns may name (decision: models are profiles in the environment).

    Its settings are LLM_<NAME>_KIND and so on; those of the profile `default` are LLM_KIND and so on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    base_url: str
    api_key: SecretStr = SecretStr("")
    model: str
    params: dict[str, JsonValue] = {}
    max_tokens: int | None = Field(None, ge=1, le=100_000)
    first_token_seconds: float = Field(_USUAL.first_token_seconds, gt=0, le=60)
    gap_seconds: float = Field(_USUAL.gap_seconds, gt=0, le=60)
    total_seconds: float = Field(_USUAL.total_seconds, gt=0, le=300)


_PROFILE_KEYS = tuple(key for key in ModelProfile.model_fields if key != "name")


class OpenIdSettings(BaseModel):
    """The OpenID provider that people of the company sign in at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str
    client_id: str
    client_secret: SecretStr
    domains: frozenset[str] = frozenset()
    """Only addresses of these come in; empty: of any."""
    role_claim: str = ""
    """The claim that names somebody's groups; empty: roles are what admins gave."""
    roles: Mapping[str, Literal["admin", "operator", "uploader", "analyst"]] = {}
    """Group → role."""


class Settings(BaseModel):
    """Everything that the environment decides. Secrets never show in repr, logs or errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: Secret = Field(None, alias="DATABASE_URL")
    data_dir: Annotated[Path | None, BeforeValidator(_blank_is_unset)] = Field(
        None, alias="CAMPAIGN_DATA_DIR"
    )
    public_url: Text = Field(None, alias="PUBLIC_URL")
    console_url: Text = Field(None, alias="CONSOLE_URL")
    trusted_proxies: Text = Field(None, alias="CAMPAIGN_TRUSTED_PROXIES")
    oidc_issuer: Text = Field(None, alias="OIDC_ISSUER")
    oidc_client_id: Text = Field(None, alias="OIDC_CLIENT_ID")
    oidc_client_secret: Secret = Field(None, alias="OIDC_CLIENT_SECRET")
    oidc_allowed_domains: Text = Field(None, alias="OIDC_ALLOWED_DOMAINS")
    oidc_role_claim: Text = Field(None, alias="OIDC_ROLE_CLAIM")
    oidc_roles: Text = Field(None, alias="OIDC_ROLES")
    twilio_account_sid: Text = Field(None, alias="TWILIO_ACCOUNT_SID")
    twilio_auth_token: Secret = Field(None, alias="TWILIO_AUTH_TOKEN")
    twilio_auth_token_previous: Secret = Field(None, alias="TWILIO_AUTH_TOKEN_PREVIOUS")
    twilio_fallback_url: Text = Field(None, alias="TWILIO_FALLBACK_URL")
    twilio_api_key: Text = Field(None, alias="TWILIO_API_KEY")
    twilio_api_secret: Secret = Field(None, alias="TWILIO_API_SECRET")
    twilio_api_base_url: Text = Field(None, alias="TWILIO_API_BASE_URL")
    twilio_calls_per_second: float = Field(1.0, alias="TWILIO_CALLS_PER_SECOND", gt=0, le=10_000)
    twilio_max_calls: Annotated[int | None, BeforeValidator(_blank_is_unset)] = Field(
        None, alias="TWILIO_MAX_CALLS", gt=0
    )
    llm_kind: Text = Field(None, alias="LLM_KIND")
    llm_base_url: Text = Field(None, alias="LLM_BASE_URL")
    llm_api_key: Secret = Field(None, alias="LLM_API_KEY")
    llm_model: Text = Field(None, alias="LLM_MODEL")
    llm_params: Text = Field(None, alias="LLM_PARAMS")
    llm_max_tokens: Text = Field(None, alias="LLM_MAX_TOKENS")
    llm_first_token_seconds: Text = Field(None, alias="LLM_FIRST_TOKEN_SECONDS")
    llm_gap_seconds: Text = Field(None, alias="LLM_GAP_SECONDS")
    llm_total_seconds: Text = Field(None, alias="LLM_TOTAL_SECONDS")
    llm_profiles: tuple[ModelProfile, ...] = Field((), alias="LLM_PROFILES")
    log_format: Literal["text", "json"] = Field("text", alias="LOG_FORMAT")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", alias="LOG_LEVEL")
    clock_start: Annotated[AwareDatetime | None, BeforeValidator(_blank_is_unset)] = Field(
        None, alias="CAMPAIGN_CLOCK"
    )
    clock_rate: float = Field(1.0, alias="CAMPAIGN_CLOCK_RATE", gt=0, le=1000)
    clock_anchor: Annotated[float | None, BeforeValidator(_blank_is_unset)] = Field(
        None, alias="CAMPAIGN_CLOCK_ANCHOR"
    )
    rates_file: Annotated[Path | None, BeforeValidator(_blank_is_unset)] = Field(
        None, alias="CAMPAIGN_RATES_FILE"
    )
    retention: Text = Field(None, alias="CAMPAIGN_RETENTION")
    max_upload_mb: int = Field(1024, alias="CAMPAIGN_MAX_UPLOAD_MB", gt=0)
    drain_seconds: float = Field(60, alias="CAMPAIGN_DRAIN_SECONDS", ge=0)

    @property
    def twilio_is_loopback(self) -> bool:
        """True when Twilio is a simulator on this machine; only then may clocks be false and URLs plain."""
        return self.twilio_api_base_url is not None and is_loopback(self.twilio_api_base_url)

    @property
    def max_upload_bytes(self) -> int:
        """The largest file that is imported, in bytes: an "MB" is 2^20 of them."""
        return self.max_upload_mb << 20

    @property
    def openid(self) -> OpenIdSettings | None:
        """The OpenID provider; None: people sign in by password only."""
        if self.oidc_issuer is None or self.oidc_client_id is None or self.oidc_client_secret is None:
            return None
        return OpenIdSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            client_secret=self.oidc_client_secret,
            domains=frozenset(one.lower().lstrip("@") for one in _listed(self.oidc_allowed_domains)),
            role_claim=self.oidc_role_claim or "",
            roles=_roles(self.oidc_roles),
        )

    @property
    def console_urls(self) -> tuple[str, ...]:
        """Where people may open the console, besides this machine's own loopback addresses."""
        return tuple(url for url in (self.console_url, self.public_url) if url is not None)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Whose word about where a request comes from (X-Forwarded-For) is taken: by default, programs on
        this machine."""
        named = (self.trusted_proxies or "127.0.0.0/8,::1").replace(" ", "").split(",")
        try:
            return tuple(ip_network(one) for one in named)
        except ValueError:
            raise ValueError(
                "CAMPAIGN_TRUSTED_PROXIES must be addresses or networks with commas between, such as "
                "10.0.0.7,10.1.0.0/16."
            ) from None

    @property
    def kind(self) -> Literal["real", "simulated"]:
        """What a database used with these settings is (decision: the two never mix)."""
        return "simulated" if self.twilio_is_loopback else "real"

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """The tokens that webhooks may be signed with: the present one and, while they rotate, the last."""
        both = (self.twilio_auth_token, self.twilio_auth_token_previous)
        return tuple(token.get_secret_value() for token in both if token is not None)

    @property
    def profiles(self) -> Mapping[str, ModelProfile]:
        """Model profiles by name; the plain LLM_* settings are the profile `default`."""
        named = {profile.name: profile for profile in self.llm_profiles}
        if self.llm_model and "default" not in named:
            named["default"] = _profile("default", "LLM_", self._plain())
        return named

    def _plain(self) -> dict[str, str | None]:
        """The plain LLM_* settings, as in the environment."""
        key = self.llm_api_key.get_secret_value() if self.llm_api_key else None
        given = {name: getattr(self, "llm_" + name) for name in _PROFILE_KEYS if name != "api_key"}
        return {"LLM_API_KEY": key} | {f"LLM_{name.upper()}": value for name, value in given.items()}

    @property
    def socket_url(self) -> str:
        """PUBLIC_URL with the scheme of its WebSockets."""
        assert self.public_url is not None
        return "ws" + self.public_url.removeprefix("http")

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        for name, value in (
            ("PUBLIC_URL", self.public_url),
            ("CONSOLE_URL", self.console_url),
            ("OIDC_ISSUER", self.oidc_issuer),
            ("TWILIO_API_BASE_URL", self.twilio_api_base_url),
            ("TWILIO_FALLBACK_URL", self.twilio_fallback_url),
        ):
            if value is not None:
                _check_url(name, value)
        if self.public_url and self.public_url.startswith("http:") and not self.twilio_is_loopback:
            raise ValueError(
                "PUBLIC_URL must start with https://: Twilio opens the conversation only over wss. "
                "Plain http is for a simulator on this machine (TWILIO_API_BASE_URL=http://127.0.0.1:…)."
            )
        if self.console_url and self.console_url.startswith("http:") and not is_loopback(self.console_url):
            raise ValueError(
                "CONSOLE_URL must start with https://: people type passwords there. Plain http is for this "
                "machine alone (http://127.0.0.1:8080)."
            )
        _ = self.proxies
        openid = (self.oidc_issuer, self.oidc_client_id, self.oidc_client_secret)
        if any(openid) and not all(openid):
            raise ValueError(
                "OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET go together: set all or none."
            )
        if (
            self.oidc_issuer
            and not self.oidc_issuer.startswith("https:")
            and not is_loopback(self.oidc_issuer)
        ):
            raise ValueError("OIDC_ISSUER must start with https://: it says who people are.")
        if bool(self.oidc_role_claim) != bool(_roles(self.oidc_roles)):
            raise ValueError("OIDC_ROLE_CLAIM and OIDC_ROLES go together: set both or neither.")
        if (self.clock_start is not None or self.clock_rate != 1.0) and not self.twilio_is_loopback:
            raise ValueError(
                "CAMPAIGN_CLOCK and CAMPAIGN_CLOCK_RATE are refused unless TWILIO_API_BASE_URL is a loopback "
                "address, so that nobody dials real people on a false clock. Remove them."
            )
        if bool(self.twilio_api_key) != bool(self.twilio_api_secret):
            raise ValueError("TWILIO_API_KEY and TWILIO_API_SECRET go together: set both or neither.")
        assert self.profiles is not None  # made once here, so that what is wrong in them is told at once
        return self

    def require(self, *names: str) -> None:
        """Refuse to go on without these settings.

        Args:
            names: names as in the environment, e.g. "TWILIO_ACCOUNT_SID".
        Raises:
            SettingsError: naming every one that is missing.
        """
        fields = {field.alias: key for key, field in type(self).model_fields.items()}
        missing = [name for name in names if getattr(self, fields[name]) is None]
        if missing:
            raise SettingsError(
                f"Not set: {', '.join(missing)}.",
                "Put it into .env (see .env.example) or the environment; `campaign doctor` checks them all.",
                missing=missing,
            )


def _listed(text: str | None) -> list[str]:
    """Words with commas between."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _roles(text: str | None) -> dict[str, Literal["admin", "operator", "uploader", "analyst"]]:
    """OIDC_ROLES: `group=role` with commas between."""
    found: dict[str, Literal["admin", "operator", "uploader", "analyst"]] = {}
    for pair in _listed(text):
        group, _, role = pair.rpartition("=")
        match role.strip():
            case "admin" | "operator" | "uploader" | "analyst" as known if group.strip():
                found[group.strip()] = known
            case _:
                raise ValueError(
                    "OIDC_ROLES must be group=role with commas between, such as "
                    "calling-leads=operator,it=admin; roles are admin, operator, uploader and analyst."
                )
    return found


def is_loopback(url: str) -> bool:
    """True when the URL's host is this machine and nothing else."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_url(name: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{name} must be a URL such as https://calls.example.com, not {value!r}.")
    if parts.query or parts.fragment or parts.username:
        raise ValueError(f"{name} must have no user, query or fragment.")


def _profiles(values: Mapping[str, str | None]) -> list[ModelProfile]:
    """LLM_PROFILES=a,b with LLM_A_KIND, LLM_A_BASE_URL, LLM_A_API_KEY, LLM_A_MODEL and more."""
    names = [part.strip() for part in (values.get("LLM_PROFILES") or "").split(",") if part.strip()]
    profiles = []
    for name in names:
        prefix = "LLM_" + re.sub(r"[^A-Za-z0-9]", "_", name).upper() + "_"
        profiles.append(_profile(name, prefix, values))
    return profiles


def _profile(name: str, prefix: str, values: Mapping[str, str | None]) -> ModelProfile:
    """One profile's settings; what the kind of server implies need not be said."""
    given = {key: (values.get(prefix + key.upper()) or "").strip() for key in _PROFILE_KEYS}
    fields: dict[str, object] = {"name": name, **{key: value for key, value in given.items() if value}}
    if not given["model"]:
        raise SettingsError(
            f"LLM_PROFILES names {name!r}, but {prefix}MODEL is not set.",
            "Set it, or take the name out of LLM_PROFILES.",
        )
    kind = given["kind"].lower() or (kind_of(given["base_url"]) if given["base_url"] else "compatible")
    fields["kind"] = kind
    vendor = {str(known): one for known, one in VENDORS.items()}.get(kind)
    if vendor is None:
        raise SettingsError(
            f"{prefix}KIND is {kind!r}, which is no kind of model server.",
            f"It is one of: {', '.join(VENDORS)}.",
        )
    fields["base_url"] = at_its_path(given["base_url"] or vendor.base_url, kind)
    if not fields["base_url"]:
        raise SettingsError(
            f"LLM_PROFILES names {name!r}, but {prefix}BASE_URL is not set.",
            f"Set it, or name a kind that has an address of its own: {prefix}KIND=mistral, openai …",
        )
    try:
        _check_url(f"{prefix}BASE_URL", str(fields["base_url"]))
    except ValueError as error:
        raise SettingsError(str(error), "Mend it in .env or the environment.") from None
    if not given["api_key"].isascii() or not given["api_key"].isprintable():
        raise SettingsError(f"{prefix}API_KEY holds characters that no key has.", "Copy it anew.")
    if given["params"]:
        fields["params"] = _json_object(prefix + "PARAMS", given["params"])
    try:
        return ModelProfile.model_validate(fields)
    except ValidationError as error:
        wrong = " ".join(f"{prefix}{str(one['loc'][0]).upper()}: {one['msg']}." for one in error.errors())
        raise SettingsError(wrong, "Mend it in .env or the environment.") from None


def _json_object(name: str, value: str) -> dict[str, object]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SettingsError(f"{name} is no JSON object.", f'Write e.g. {name}={{"temperature": 0.3}}')
    return found


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read the settings from the environment and an .env file; the environment wins.

    Args:
        environ: the environment; None for the process's own.
        env_file: an .env file, read when it exists; None for no file at all.
    Raises:
        SettingsError: with a sentence for every setting that is wrong.
    """
    values: dict[str, str | None] = {}
    if env_file is not None and env_file.is_file():
        values.update(dotenv_values(env_file, interpolate=False))
    values.update(os.environ if environ is None else environ)
    known = {field.alias for field in Settings.model_fields.values() if field.alias}
    given: dict[str, object] = {k: v for k, v in values.items() if k in known and (v or "").strip()}
    given["LLM_PROFILES"] = _profiles(values)
    for url in ("PUBLIC_URL", "CONSOLE_URL", "TWILIO_API_BASE_URL"):
        if isinstance(given.get(url), str):
            given[url] = str(given[url]).strip().rstrip("/")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError(
            "The settings are wrong: " + " ".join(_sentence(fault) for fault in error.errors()),
            "Mend them in .env or the environment; `.env.example` explains every one.",
        ) from None


def _sentence(fault: Mapping[str, object]) -> str:
    """One fault in words, without the value: it may be a secret."""
    message = str(fault["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in fault["loc"]) if isinstance(fault["loc"], tuple) else ""
    return f"{where}: {message}." if where else message


def process_environment(overrides: Mapping[str, str], *, hermetic: bool) -> dict[str, str]:
    """The environment for a child process.

    Args:
        overrides: set on top.
        hermetic: leave out everything that this service reads, so that the child sees only `overrides`
            (the demo never touches a real account or database).
    """
    ours = {field.alias for field in Settings.model_fields.values()}
    kept = {
        name: value
        for name, value in os.environ.items()
        if not hermetic or not (name in ours or name.startswith(("TWILIO_", "LLM_", "CAMPAIGN_", "PG")))
    }
    return kept | dict(overrides)


def parse_instant(text: str) -> datetime:
    """An ISO instant with an offset, as CAMPAIGN_CLOCK takes it."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise SettingsError(f"{text!r} has no offset from UTC.", "Write e.g. 2026-11-24T10:00:00-05:00.")
    return instant
