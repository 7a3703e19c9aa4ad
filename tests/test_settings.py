"""Settings: what is refused, in which words, and that secrets stay secret."""

from pathlib import Path

import pytest

from campaign.domain.errors import SettingsError
from campaign.settings import process_environment, read_settings

SIMULATED = {"TWILIO_API_BASE_URL": "http://127.0.0.1:9000"}


def test_nothing_set_is_fine_until_something_is_required() -> None:
    settings = read_settings({}, None)
    assert settings.twilio_calls_per_second == 1
    with pytest.raises(SettingsError, match=r"Not set: PUBLIC_URL, TWILIO_AUTH_TOKEN"):
        settings.require("PUBLIC_URL", "TWILIO_AUTH_TOKEN")


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("TWILIO_ACCOUNT_SID=ACfile\nTWILIO_CALLS_PER_SECOND=3\n")
    settings = read_settings({"TWILIO_ACCOUNT_SID": "ACenv"}, file)
    assert (settings.twilio_account_sid, settings.twilio_calls_per_second) == ("ACenv", 3)


@pytest.mark.parametrize("name", ["CAMPAIGN_CLOCK", "CAMPAIGN_CLOCK_RATE"])
@pytest.mark.parametrize("twilio", [{}, {"TWILIO_API_BASE_URL": "https://proxy.example.com"}])
def test_a_false_clock_is_refused_unless_twilio_is_on_this_machine(name: str, twilio: dict[str, str]) -> None:
    value = {"CAMPAIGN_CLOCK": "2026-11-24T10:00:00-05:00", "CAMPAIGN_CLOCK_RATE": "60"}[name]
    with pytest.raises(SettingsError, match="false clock"):
        read_settings({name: value, **twilio}, None)
    assert read_settings({name: value, **SIMULATED}, None).kind == "simulated"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback_is_known_in_all_its_spellings(host: str) -> None:
    assert read_settings({"TWILIO_API_BASE_URL": f"http://{host}:1"}, None).twilio_is_loopback


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "example.com"]
)
def test_what_only_looks_like_loopback_is_not(host: str) -> None:
    assert not read_settings({"TWILIO_API_BASE_URL": f"http://{host}:1"}, None).twilio_is_loopback


def test_a_plain_public_url_is_only_for_the_simulator() -> None:
    with pytest.raises(SettingsError, match="only over wss"):
        read_settings({"PUBLIC_URL": "http://calls.example.com"}, None)
    assert read_settings({"PUBLIC_URL": "http://127.0.0.1:8080/", **SIMULATED}, None).socket_url == (
        "ws://127.0.0.1:8080"
    )
    assert read_settings({"PUBLIC_URL": "https://c.example.com/calls"}, None).socket_url == (
        "wss://c.example.com/calls"
    )


def test_a_wrong_setting_is_named_and_its_value_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"TWILIO_CALLS_PER_SECOND": "hunter2"}, None)
    assert "TWILIO_CALLS_PER_SECOND" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show() -> None:
    settings = read_settings(
        {
            "TWILIO_AUTH_TOKEN": "s3cret-token",
            "DATABASE_URL": "postgresql://u:s3cret@h/d",
            "LLM_API_KEY": "s3cret-key",
        },
        None,
    )
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)


def test_both_tokens_count_while_they_rotate() -> None:
    settings = read_settings({"TWILIO_AUTH_TOKEN": "new", "TWILIO_AUTH_TOKEN_PREVIOUS": "old"}, None)
    assert settings.auth_tokens == ("new", "old")


def test_models_are_profiles_and_the_plain_settings_are_the_default_one() -> None:
    settings = read_settings(
        {
            "LLM_BASE_URL": "https://one.example.com/v1",
            "LLM_MODEL": "small",
            "LLM_PROFILES": "big, other",
            "LLM_BIG_BASE_URL": "https://two.example.com/v1",
            "LLM_BIG_MODEL": "large",
            "LLM_BIG_API_KEY": "k",
            "LLM_OTHER_BASE_URL": "https://three.example.com/v1",
            "LLM_OTHER_MODEL": "m",
        },
        None,
    )
    assert {name: profile.model for name, profile in settings.profiles.items()} == {
        "default": "small",
        "big": "large",
        "other": "m",
    }


def test_a_profile_without_its_address_is_told() -> None:
    with pytest.raises(SettingsError, match="LLM_BIG_BASE_URL is not set"):
        read_settings({"LLM_PROFILES": "big", "LLM_BIG_MODEL": "m"}, None)


@pytest.mark.parametrize(
    ("given", "kind", "base_url"),
    [
        ({"KIND": "mistral"}, "mistral", "https://api.mistral.ai/v1"),
        ({"KIND": "OpenAI"}, "openai", "https://api.openai.com/v1"),
        ({"KIND": "anthropic"}, "anthropic", "https://api.anthropic.com/v1"),
        ({"KIND": "groq"}, "groq", "https://api.groq.com/openai/v1"),
        ({"KIND": "ollama"}, "ollama", "http://127.0.0.1:11434/v1"),
        ({"KIND": "vllm", "BASE_URL": "http://gpu:8000"}, "vllm", "http://gpu:8000/v1"),
        ({"BASE_URL": "https://api.mistral.ai/v1/"}, "mistral", "https://api.mistral.ai/v1"),
        ({"BASE_URL": "https://x1.us-east-1.aws.endpoints.huggingface.cloud"}, "huggingface",
         "https://x1.us-east-1.aws.endpoints.huggingface.cloud/v1"),
        ({"BASE_URL": "https://api.openai.com/v1/chat/completions"}, "openai", "https://api.openai.com/v1"),
        ({"BASE_URL": "https://llm.example.com"}, "compatible", "https://llm.example.com"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["LLM_", "LLM_A_1_"])
def test_a_kind_and_a_key_are_enough_where_the_vendor_has_one_address(
    given: dict[str, str], kind: str, base_url: str, prefix: str
) -> None:
    environment = {prefix + name: value for name, value in given.items()} | {prefix + "MODEL": "m"}
    environment["LLM_PROFILES"] = "" if prefix == "LLM_" else "a-1"
    (profile,) = read_settings(environment, None).profiles.values()
    assert (profile.kind, profile.base_url) == (kind, base_url)


def test_a_profile_has_limits_and_parameters_of_its_own() -> None:
    given = {
        "KIND": "ollama", "MODEL": "m", "MAX_TOKENS": "200", "PARAMS": '{"temperature": 0.3}',
        "FIRST_TOKEN_SECONDS": "4", "GAP_SECONDS": "2.5", "TOTAL_SECONDS": "40",
    }  # fmt: skip
    (profile,) = read_settings(
        {f"LLM_{name}": value for name, value in given.items()}, None
    ).profiles.values()
    assert profile.params == {"temperature": 0.3}
    assert (profile.max_tokens, profile.first_token_seconds) == (200, 4)
    assert (profile.gap_seconds, profile.total_seconds) == (2.5, 40)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"KIND": "bard"}, "LLM_KIND is 'bard'"),
        ({"KIND": "mistral", "PARAMS": "[1]"}, "LLM_PARAMS is no JSON object"),
        ({"KIND": "mistral", "MAX_TOKENS": "many"}, "LLM_MAX_TOKENS"),
        ({"KIND": "mistral", "GAP_SECONDS": "-1"}, "LLM_GAP_SECONDS"),
        ({"KIND": "compatible"}, "LLM_BASE_URL is not set"),
        ({"BASE_URL": "gpu:8000"}, "LLM_BASE_URL must be a URL"),
        ({"KIND": "mistral", "API_KEY": "sk-\u2026"}, "LLM_API_KEY"),
    ],
)
def test_what_is_wrong_in_a_profile_is_told_by_its_name(given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({f"LLM_{name}": value for name, value in given.items()} | {"LLM_MODEL": "m"}, None)
    assert told in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_the_demo_hands_on_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "real")
    monkeypatch.setenv("DATABASE_URL", "postgresql://real/real")
    monkeypatch.setenv("LLM_API_KEY", "real")
    child = process_environment({"CAMPAIGN_DATA_DIR": "/tmp/x"}, hermetic=True)
    assert "real" not in child.values()
    assert "postgresql://real/real" not in child.values()
    assert child["CAMPAIGN_DATA_DIR"] == "/tmp/x"
    assert "PATH" in child
