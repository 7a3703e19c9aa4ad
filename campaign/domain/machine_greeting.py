"""Recognises an answering machine by what it says, for the calls where detection says nothing or too late.

Twilio's verdict is a callback, and callbacks are lost; with detection switched off there is none at all. But
a machine's greeting is a transcript like any other, and asks in a handful of ways for a message after a tone.
Only what no person says who has picked up counts: "he isn't in, would you like to leave a message?" is a
person, and so is one who says that they can't talk now; a phone's screening assistant ("record your name and
reason for calling") puts the call through, so it is none either. Phrases of every known language are tried in
every call, since a machine speaks its owner's.
"""

import re
from typing import Final

from campaign.domain.opt_out import fold
from campaign.domain.spoken import plain

_TONE: Final = (
    r"(?:after|at|following|wait for|until|upon) (?:you hear )?the (?:sound of the |long |short "
    r")?(?:tone|beep)",
    r"(?:despues d(?:el?|e la|e oir la)|al (?:oir|escuchar) (?:el|la)|tras (?:el|la)) (?:tono|bip|pitido|"
    r"senal)",
    r"apres (?:le|la) (?:bip|signal sonore|signal|ton|tonalite)",
    r"nach dem (?:\w+ )?(?:signal|signalton|piepton|piep|ton|pfeifton)",
    r"dopo il (?:segnale|bip|tono)",
    r"(?:apos|depois d)o? (?:o )?(?:sinal|bip|tom)",
    r"na de (?:piep|toon|pieptoon)",
    r"po (?:sygnale|dzwieku)",
    r"beep ke baad",
)
_MAILBOX: Final = (
    r"reached (?:\w+ ){0,4}(?:voice ?mail|mail ?box|answering machine|answering service|answerphone)",
    r"(?<!my )(?:voice ?mail|mail ?box) (?:box )?(?:is full|of|has not been set up|that has not been set up|"
    r"belonging to)",
    r"(?:forwarded|transferred) to (?:\w+ ){0,3}voice (?:mail|messag\w+)",
    r"welcome to (?:\w+ ){0,3}voice ?mail|(?:dont|do not) leave (?:me )?(?:a )?voice ?mail",
    r"buzon de (?:voz|mensajes)|contestador (?:automatico|de)",
    r"(?:messagerie vocale|boite vocale|repondeur) d[eu]|(?:messagerie|boite vocale) (?:\w+ ){0,4}pleine",
    r"(?:mailbox|anrufbeantworter) (?:von|der|des)|mit der mailbox",
    r"segreteria telefonica|caixa (?:postal|de mensagens)|voicemail van|poczt\w glosow\w",
)
_MESSAGE: Final = (
    r"(?:please|kindly) (?:leave|record) (?:me |us )?(?:a|your) (?:\w+ )?(?:name|message)(?! with (?:me|us))",
    r"leave (?:me |us )?(?:a|your) (?:\w+ )?(?:name|message)(?: \w+){0,3}? and (?:i|we)(?:ll| will)",
    # "Just leave a message next time" is a person; a mailbox says first whose it is, or that nobody comes.
    r"(?:its|this is|reached|missed your call|(?:not|nt) (?:here|in|available|able to)|take your call|answer|"
    r"to the phone)(?: \w+){0,14}? (?<!to )(?<!you )(?<!can )(?<!could )(?<!i )leave (?:me |us )?a (?:\w+ )?"
    r"message(?! with| for (?:him|her|them))\b",
    r"(?:por favor )?deje (?:un|su) (?:mensaje|nombre)|deja(?:me)? (?:un|tu) mensaje|grabe su mensaje",
    r"laissez (?:moi |nous )?(?:un|votre) (?:message|nom)|(?:merci de|veuillez) (?:me |nous )?laisser "
    r"(?:un|votre) message",
    r"(?:hinterlassen|sprechen) sie (?:\w+ ){0,3}nachricht",
    r"lasci(?:a|ate|are) un messaggio|deix[ea] (?:o seu|a sua|o teu|um|uma) (?:recado|mensagem)",
    r"(?:spreek|laat) (?:\w+ ){0,2}(?:bericht|boodschap) (?:in|achter)|zostaw wiadomosc",
)
_NETWORK: Final = (
    # What carriers say themselves; a person never speaks of the customer or the number that was dialled.
    r"(?:customer|subscriber) (?:that )?(?:you (?:have|are)|youve|youre) (?:called|calling|dialed|trying to "
    r"reach) is (?:currently )?(?:not|un) ?(?:available|reachable|in service)",
    r"number (?:that )?you (?:have )?(?:dialed|dialled|called) (?:is (?:not in service|no longer|"
    r"disconnected|unavailable|not available)|has been)",
    r"(?:telefono|numero) (?:al )?que (?:usted )?(?:llama|marco|ha marcado|ha llamado) (?:se encuentra |"
    r"esta )?(?:no esta disponible|apagado|fuera de)",
    r"votre correspondant (?:nest pas|est) (?:\w+ )?(?:joignable|disponible|indisponible)",
    r"(?:gewunschte|angerufene) (?:gesprachspartner|teilnehmer)",
    r"cliente da lei chiamato|utente chiamato|abonent (?:jest|ma|nie)|vyakti ko aap call kar rahe",
)
_DEVANAGARI: Final = re.compile(r"बीप के बाद|संदेश छोड़|व्यक्ति को आप कॉल कर रहे|उपलब्ध नहीं है")
"""Its vowel signs are no letters to `plain`, so it is looked for as it is written."""
_GREETING: Final = re.compile(rf"\b(?:{'|'.join((*_TONE, *_MAILBOX, *_MESSAGE, *_NETWORK))})\b")
_LONGEST: Final = 1000
"""Characters of one transcript that count."""


def recognise(said: str) -> bool:
    """Whether a machine's greeting says so: a mailbox, a tone to wait for, a message to leave.

    Args:
        said: a transcript of any length; only its first 1,000 characters count.
    """
    heard = said[:_LONGEST]
    return _GREETING.search(plain(fold(heard))) is not None or _DEVANAGARI.search(heard) is not None
