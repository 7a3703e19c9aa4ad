"""Recordings at Twilio: begun, listened to, deleted."""

import contextlib
from collections.abc import AsyncIterator

from twilio.rest import Client

from campaign.telephony import codes
from campaign.telephony.calls import CallNotFound, TwilioAway, TwilioRefused
from campaign.telephony.refusals import LATER, error_of
from campaign.telephony.transport import Transport, TransportFault


class Recordings:
    """One account's recordings, over its gateway's connections.

    Args:
        auth: user name and password of the REST API.
    """

    def __init__(self, client: Client, transport: Transport, account_sid: str, auth: tuple[str, str]) -> None:
        self._client = client
        self._transport = transport
        self._account_sid = account_sid
        self._auth = auth

    async def begin(self, call_sid: str, callback: str) -> str | None:
        """Begin to record a call, both sides apart; returns the recording's sid, None when the call is over.

        Args:
            callback: where the recording's events go.
        Raises:
            CallNotFound, TwilioRefused, TwilioBusy, TwilioAway.
        """
        try:
            made = await self._client.calls(call_sid).recordings.create_async(
                recording_status_callback=callback,
                recording_status_callback_event=["in-progress", "completed", "absent"],
                recording_channels="dual",
                trim="do-not-trim",
            )
            return made.sid if isinstance(made.sid, str) else None
        except Exception as fault:  # every fault of library and network becomes one of ours
            if getattr(fault, "code", None) == codes.CALL_STATE_FORBIDS:
                return None
            raise error_of(fault, f"a recording of call {call_sid}") from fault

    async def delete(self, sid: str) -> None:
        """Delete a recording for good.

        Raises:
            CallNotFound: there is none of that sid, any more.
            TwilioRefused, TwilioBusy, TwilioAway.
        """
        try:
            await self._client.recordings(sid).delete_async()
        except Exception as fault:  # every fault of library and network becomes one of ours
            raise error_of(fault, f"recording {sid}") from fault

    @contextlib.asynccontextmanager
    async def listen(self, sid: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """A recording's sound as WAV, piece by piece.

        Raises:
            CallNotFound, TwilioRefused, TwilioAway.
        """
        uri = f"https://api.twilio.com/2010-04-01/Accounts/{self._account_sid}/Recordings/{sid}.wav"
        try:
            async with self._transport.stream(uri, self._auth) as (status, pieces):
                if status == 404:
                    raise CallNotFound(f"Twilio doesn't know recording {sid}.")
                if status >= 400:
                    raise TwilioRefused(f"Twilio answered {status} for recording {sid}.", code=status)
                yield pieces
        except TransportFault as fault:
            raise TwilioAway(str(fault), LATER) from fault
