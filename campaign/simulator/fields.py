"""Where each field that the simulator sends comes from.

One table per message. A test drives calls of every kind and compares what was really sent with
this table: a field without a source, or a promised field that never comes, fails it.

Grounds, from strongest to weakest:
    recorded    seen on the wire in recordings of real calls of 2026-08-30
    specified   in Twilio's OpenAPI description of 2026-04-14
    documented  on Twilio's pages as of 2026
    memory      known, but looked up nowhere: trust it least
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """A field's origin.

    `section` names the section of the Twilio fact sheet, or a page: "twiml…" under
    twilio.com/docs/voice, "v2-api/…" under twilio.com/docs/lookup; `when` is empty for a field that is always
    there, else says when it is.
    """

    section: str
    ground: str
    when: str = ""


_BASE = Source("3.6 status callback: always", "recorded")
_GEO = Source("3.6 geo fields, blank but present", "recorded")
_RESOURCE = Source("3.2 Call resource", "specified")

VOICE_BASE: Mapping[str, Source] = {
    **dict.fromkeys(
        (
            "AccountSid",
            "ApiVersion",
            "CallSid",
            "CallStatus",
            "Direction",
            "From",
            "To",
            "Caller",
            "Called",
        ),
        _BASE,
    ),
    **{
        f"{leg}{part}": _GEO
        for leg in ("From", "To", "Caller", "Called")
        for part in ("City", "State", "Zip", "Country")
    },
}
"""What every voice webhook carries."""

_AMD = {
    "AnsweredBy": Source("6.1 AMD", "documented", "after a machine-detection verdict"),
    "MachineDetectionDuration": Source("6.1 AMD", "documented", "after a machine-detection verdict"),
}

FIELDS: Mapping[str, Mapping[str, Source]] = {
    "status": {
        **VOICE_BASE,
        "Timestamp": Source("3.6 status callback: always", "recorded"),
        "CallbackSource": Source("3.6 status callback: always", "recorded"),
        "SequenceNumber": Source("3.6 status callback: always", "recorded"),
        "StirStatus": Source("3.6 table, ringing and in-progress", "recorded", "ringing, in-progress"),
        "CallDuration": Source("3.6 table, completed", "recorded", "terminal states"),
        "Duration": Source("3.6 table, completed: minutes", "recorded", "completed"),
        "SipResponseCode": Source("3.6 table, completed", "recorded", "terminal states"),
        **_AMD,
    },
    "voice": {**VOICE_BASE, **_AMD},
    "redirect": VOICE_BASE,
    "fallback": {
        **VOICE_BASE,
        "ErrorCode": Source("3.7 FallbackUrl", "memory"),
        "ErrorUrl": Source("3.7 FallbackUrl", "memory"),
    },
    "amd": {
        "AccountSid": Source("6.1 AsyncAmdStatusCallback", "documented"),
        "CallSid": Source("6.1 AsyncAmdStatusCallback", "documented"),
        "AnsweredBy": Source("6.1 AsyncAmdStatusCallback", "documented"),
        "MachineDetectionDuration": Source("6.1 AsyncAmdStatusCallback", "documented"),
    },
    "action": {
        **VOICE_BASE,
        "SessionId": Source("1.4 action webhook", "recorded"),
        "SessionStatus": Source("1.4 action webhook", "recorded"),
        "SessionDuration": Source("1.4 action webhook", "recorded"),
        "HandoffData": Source("1.4 action webhook", "recorded", "end carried handoffData"),
        "ErrorCode": Source("1.4 action webhook", "recorded", "SessionStatus is failed"),
        "ErrorMessage": Source("1.4 action webhook", "recorded", "SessionStatus is failed"),
    },
    "dial": {
        **VOICE_BASE,
        "DialCallStatus": Source("1.4 verbs an action may return", "memory"),
        "DialCallSid": Source("1.4 verbs an action may return", "memory"),
        "DialCallDuration": Source("1.4 verbs an action may return", "memory", "the target answered"),
        "DialBridged": Source("1.4 verbs an action may return", "memory", "the target answered"),
    },
    "incoming": {
        **VOICE_BASE,
        "StirVerstat": Source("3.6 inbound legs", "recorded"),
    },
    "gathered": {
        **VOICE_BASE,
        "StirVerstat": Source("3.6 inbound legs", "recorded", "a call to the account"),
        "Digits": Source("twiml/gather: action", "documented", "keys were pressed"),
        "SpeechResult": Source("twiml/gather: action", "documented", "something was said"),
        "Confidence": Source("twiml/gather: action", "documented", "something was said"),
    },
    "whisper": {
        **VOICE_BASE,
        "ParentCallSid": Source("twiml: request parameters", "documented"),
    },
    "accept": {
        **VOICE_BASE,
        "ParentCallSid": Source("twiml: request parameters", "documented"),
        "Digits": Source("twiml/gather: action", "documented"),
    },
    "wait": {
        **VOICE_BASE,
        **dict.fromkeys(
            ("QueueSid", "QueueTime", "QueuePosition", "AvgQueueTime", "CurrentQueueSize"),
            Source("twiml/enqueue: waitUrl", "documented"),
        ),
    },
    "queue": {
        **VOICE_BASE,
        "QueueResult": Source("twiml/enqueue: action", "documented"),
        "QueueSid": Source("twiml/enqueue: action", "documented"),
        "QueueTime": Source("twiml/enqueue: action", "documented"),
    },
    "recording": {
        **dict.fromkeys(
            (
                "AccountSid",
                "CallSid",
                "RecordingSid",
                "RecordingUrl",
                "RecordingStatus",
                "RecordingChannels",
                "RecordingStartTime",
                "RecordingSource",
                "RecordingTrack",
            ),
            Source("6.3 recording callback", "memory"),
        ),
        "RecordingDuration": Source("6.3 recording callback", "memory", "completed"),
    },
    "frame setup": dict.fromkeys(
        (
            "type",
            "sessionId",
            "accountSid",
            "callSid",
            "parentCallSid",
            "from",
            "to",
            "forwardedFrom",
            "callerName",
            "direction",
            "callType",
            "callStatus",
            "customParameters",
        ),
        Source("2.3 setup", "recorded"),
    ),
    "frame prompt": dict.fromkeys(("type", "voicePrompt", "lang", "last"), Source("2.3 prompt", "recorded")),
    "frame dtmf": dict.fromkeys(("type", "digit"), Source("2.3 dtmf", "recorded")),
    "frame interrupt": dict.fromkeys(
        ("type", "utteranceUntilInterrupt", "durationUntilInterruptMs"), Source("2.3 interrupt", "recorded")
    ),
    "frame error": dict.fromkeys(("type", "description"), Source("2.3 error", "recorded")),
    "frame info": dict.fromkeys(("type", "name", "value"), Source("2.3 info", "recorded")),
    "call resource": dict.fromkeys(
        (
            "sid",
            "account_sid",
            "parent_call_sid",
            "to",
            "to_formatted",
            "from",
            "from_formatted",
            "phone_number_sid",
            "status",
            "start_time",
            "end_time",
            "duration",
            "price",
            "price_unit",
            "direction",
            "answered_by",
            "api_version",
            "forwarded_from",
            "group_sid",
            "caller_name",
            "queue_time",
            "trunk_sid",
            "uri",
            "date_created",
            "date_updated",
            "subresource_uris",
        ),
        _RESOURCE,
    ),
    "call list": dict.fromkeys(
        (
            "calls",
            "page",
            "page_size",
            "start",
            "end",
            "uri",
            "first_page_uri",
            "next_page_uri",
            "previous_page_uri",
        ),
        Source("3.4 list body", "specified"),
    ),
    "lookup": dict.fromkeys(
        (
            "calling_country_code",
            "country_code",
            "phone_number",
            "national_format",
            "valid",
            "validation_errors",
            "caller_name",
            "sim_swap",
            "call_forwarding",
            "line_status",
            "line_type_intelligence",
            "identity_match",
            "reassigned_number",
            "sms_pumping_risk",
            "phone_number_quality_score",
            "pre_fill",
            "url",
        ),
        Source("v2-api: response properties", "specified"),
    ),
    "lookup line": dict.fromkeys(
        ("mobile_country_code", "mobile_network_code", "carrier_name", "type", "error_code"),
        Source("v2-api/line-type-intelligence: response properties", "documented"),
    ),
    "lookup owner": dict.fromkeys(
        ("last_verified_date", "is_number_reassigned", "error_code"),
        Source("v2-api/reassigned-number: response properties", "documented"),
    ),
    "error": dict.fromkeys(
        ("code", "message", "more_info", "status"), Source("4.2 error JSON", "documented")
    ),
}
"""Message -> field -> source."""
