"""The agents of a process, by the profile names that campaigns use."""

from collections.abc import Mapping

from campaign.agent.llm import LlmAgent, Profile
from campaign.agent.protocol import Agent
from campaign.agent.scripted import ScriptedAgent
from campaign.domain.clock import Clock
from campaign.domain.script import SCRIPTED


class Agents:
    """One agent a profile, shared by all conversations, and the scripted one.

    Args:
        profiles: models by profile name.
        clock: for how long a Retry-After holds.
    """

    def __init__(self, profiles: Mapping[str, Profile], clock: Clock) -> None:
        self._agents: dict[str, Agent] = {
            name: LlmAgent(profile, clock) for name, profile in profiles.items()
        }
        self._agents[SCRIPTED] = ScriptedAgent()

    def named(self, profile: str) -> Agent | None:
        """The profile's agent; None when the settings don't know it."""
        return self._agents.get(profile)

    def add(self, profile: str, agent: Agent) -> None:
        """One more agent, under a name of its own."""
        self._agents[profile] = agent

    async def close(self) -> None:
        """Close all connections."""
        for agent in self._agents.values():
            await agent.close()
