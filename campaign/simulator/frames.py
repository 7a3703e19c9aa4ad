"""Frames that an app may send (TWILIO 2.4): which are valid."""

import re

_DIGITS = re.compile(r"[0-9w#*]+")


def valid(frame: dict[str, object]) -> bool:
    """Whether an app's frame is one of 2.4 with fields of the right types."""

    def has(name: str, kind: type, required: bool = False) -> bool:
        if name not in frame:
            return not required
        value = frame[name]
        return isinstance(value, kind) and not (kind is int and isinstance(value, bool))

    flags = has("interruptible", bool) and has("preemptible", bool)
    match frame.get("type"):
        case "text":
            return has("token", str, required=True) and has("last", bool) and has("lang", str) and flags
        case "play":
            loop = frame.get("loop", 1)
            source = frame.get("source")
            return (
                isinstance(source, str)
                and source != ""
                and has("loop", int)
                and isinstance(loop, int)
                and loop >= 0
                and flags
            )
        case "sendDigits":
            digits = frame.get("digits")
            return isinstance(digits, str) and _DIGITS.fullmatch(digits) is not None
        case "language":
            named = "ttsLanguage" in frame or "transcriptionLanguage" in frame
            return named and has("ttsLanguage", str) and has("transcriptionLanguage", str)
        case "end":
            return has("handoffData", str)
    return False
