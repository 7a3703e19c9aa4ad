"""The addresses at which Twilio reaches us: one place that makes them, for the dialler, TwiML and the doors.

The attempt's marker is a path segment; the socket's path ends in a single-use token. No query strings:
for a socket Twilio's own libraries disagree on whether a query is signed. The part after # steers Twilio's
delivery and is neither sent nor signed (twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
"""

from dataclasses import dataclass

VOICE = "/twilio/voice/{marker}"
STATUS = "/twilio/status/{marker}"
AMD = "/twilio/amd/{marker}"
ACTION = "/twilio/action/{marker}/{ordinal}"
RECORDING = "/twilio/recording/{marker}"
DIAL = "/twilio/dial/{marker}/{ordinal}"
QUEUE = "/twilio/queue/{marker}/{ordinal}"
WAIT = "/twilio/wait/{marker}/{ordinal}"
WHISPER = "/twilio/whisper/{marker}/{ordinal}"
ACCEPT = "/twilio/accept/{marker}/{ordinal}"
INCOMING = "/twilio/incoming"
GATHERED = "/twilio/gathered/{marker}"
RELAY = "/twilio/relay/{token}"

NEEDS_ANSWER = "#ct=2000&rt=8000&tt=15000&rc=1&rp=ct,rt,5xx"
"""A person is listening: one more try, within Twilio's 15 s."""
MUST_ARRIVE = "#ct=5000&rt=10000&rc=5&rp=ct,rt,5xx"
"""Nobody waits: try five times more, so that a restart loses no event."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses below one public URL.

    Args:
        public_url: scheme, host and perhaps a path prefix, as Twilio must write it; its slash at the end
            doesn't matter.
        fallback: what Twilio fetches when we don't answer a person who picked up: on another host, such as
            a TwiML Bin that says sorry.
    """

    public_url: str
    fallback: str | None = None

    def at(self, path: str) -> str:
        """The full address of a path, exactly as Twilio signs it."""
        return self.public_url.rstrip("/") + path

    def voice(self, marker: str) -> str:
        """Where TwiML is fetched when a call is answered."""
        return self.at(VOICE.format(marker=marker)) + NEEDS_ANSWER

    def status(self, marker: str) -> str:
        """Where the call's status events go."""
        return self.at(STATUS.format(marker=marker)) + MUST_ARRIVE

    def amd(self, marker: str) -> str:
        """Where the machine detection's verdict goes."""
        return self.at(AMD.format(marker=marker)) + MUST_ARRIVE

    def action(self, marker: str, ordinal: int) -> str:
        """What is asked when the conversation session of that ordinal is over."""
        return self.at(ACTION.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def recording(self, marker: str) -> str:
        """Where the recording's status events go."""
        return self.at(RECORDING.format(marker=marker)) + MUST_ARRIVE

    def dial(self, marker: str, ordinal: int) -> str:
        """What is asked when a transfer is over."""
        return self.at(DIAL.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def queue(self, marker: str, ordinal: int) -> str:
        """What is asked when a person has left a queue."""
        return self.at(QUEUE.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def wait(self, marker: str, ordinal: int) -> str:
        """What is asked again and again while a person waits in a queue."""
        return self.at(WAIT.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def whisper(self, marker: str, ordinal: int) -> str:
        """What is asked when the target of a transfer has answered."""
        return self.at(WHISPER.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def accept(self, marker: str, ordinal: int) -> str:
        """What is asked when the target has pressed a key."""
        return self.at(ACCEPT.format(marker=marker, ordinal=ordinal)) + NEEDS_ANSWER

    def incoming(self) -> str:
        """The voice URL of our own numbers, as it stands in Twilio's console."""
        return self.at(INCOMING)

    def gathered(self, marker: str) -> str:
        """What is asked when a caller has pressed a key or said something."""
        return self.at(GATHERED.format(marker=marker)) + NEEDS_ANSWER

    def relay(self, token: str) -> str:
        """The conversation's socket: wss (ws below a public URL of http)."""
        return self.socket(RELAY.format(token=token))

    def socket(self, path: str) -> str:
        """The full address of a socket's path, exactly as Twilio signs it."""
        scheme, rest = self.at(path).split("://", 1)
        return f"{'ws' if scheme == 'http' else 'wss'}://{rest}"
