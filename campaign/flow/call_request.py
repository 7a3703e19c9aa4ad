"""The one POST of an attempt, as its campaign wants it."""

from collections.abc import Mapping

from campaign.domain.campaign import CampaignDefinition, Detection
from campaign.telephony.addresses import Addresses
from campaign.telephony.calls import CallRequest, MachineDetection

DETECTION: Mapping[Detection, MachineDetection] = {
    Detection.OFF: "off",
    Detection.ENABLE: "enable",
    Detection.DETECT_MESSAGE_END: "detect_message_end",
}


def call_request(
    addresses: Addresses, definition: CampaignDefinition, marker: str, to: str, caller_id: str
) -> CallRequest:
    """The one POST of an attempt: every address carries its marker."""
    detection = DETECTION[definition.voicemail.detection]
    return CallRequest(
        to=to,
        from_=caller_id,
        url=addresses.voice(marker),
        status_callback=addresses.status(marker),
        ring_timeout_s=definition.ring_timeout_seconds,
        time_limit_s=definition.longest_call_seconds,
        machine_detection=detection,
        amd_callback=addresses.amd(marker) if detection != "off" else None,
        fallback_url=addresses.fallback,
    )
