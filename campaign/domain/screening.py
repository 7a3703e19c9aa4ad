"""Recognises a robot that stands between us and the person: a phone's call screening, a "press 1 to connect".

Such a robot asks who is calling and why, or for a key, and puts the call through to a person who listens in
or decides. It is answered briefly. A person who asks the same ("who's calling, please?") is none: only what
the screening services of phones and carriers say counts, in the languages of the service.
"""

import re
from typing import Final

import msgspec

from campaign.domain.opt_out import fold
from campaign.domain.spoken import plain


class Robot(msgspec.Struct, frozen=True):
    """What a robot wants.

    `asks`: for who is calling and why. `key`: that this key be pressed to be put through. `refuses`: it lets
    no callers such as us through. None of these: it says that it is putting the call through, or to wait.
    """

    asks: bool = False
    key: str = ""
    refuses: bool = False


_ASKS: Final = (
    # Apple's and Google's own sentences, and those of carriers
    r"(?:record|state|say|give|tell me|share|provide)(?: me| us)? your (?:full )?name(?:,)? (?:and|along "
    r"with|or) "
    r"(?:the |your )?(?:reason|purpose|company|what|why|business|the nature)",
    r"(?:record|say|state) your name (?:and|then|so|to) (?:\w+ ){0,6}?(?:see if|connect|find out|ask if|"
    r"check if|announce)",
    r"(?:see|check|find out) if (?:this person|they|he|she|the person(?: youre calling)?|someone) (?:is|"
    r"are)(?: \w+)? available",
    r"(?:screening service|call screening|call assist|call assistant|screening calls|virtual assistant|"
    r"call screener|screening this call|call screen)\b(?=.*\b(?:name|calling|who|why|reason|speaking|"
    r"about)\b)",
    r"person (?:you are|youre|your) calling is using (?:a |an )?(?:\w+ )?(?:screening|assistant)",
    r"(?:go ahead and )?(?:say|state) (?:your name,? and )?why (?:youre|you are|your) calling",
    r"(?:please )?(?:say|state|record) your (?:full )?name (?:after|at) the (?:tone|beep) (?:and|so|"
    r"then) (?:\w+ ){0,4}?"
    r"(?:connect|answer|accept|put)",
    r"subscriber (?:you have dialed|youve dialed|you are calling) (?:\w+ )*?(?:screen|unknown)",
    # Spanish, French, German, Italian, Portuguese, Dutch, Polish, Hindi
    r"(?:diga|grabe|indique|diganos) su nombre y (?:el |la )?(?:motivo|razon|asunto)",
    r"(?:servicio de filtrado|filtro de llamadas|filtrado de llamadas|asistente de llamadas)",
    r"(?:enregistrez|indiquez|indiquer|dites|dire|donnez|donner|precisez|preciser) votre nom et (?:le |"
    r"la )?(?:motif|raison|objet)",
    r"(?:filtrage (?:des |d )?appels|service de filtrage)",
    r"(?:nennen|sagen|sprechen|hinterlassen|geben) sie (?:bitte )?(?:mir )?ihren namen und (?:den |ihren "
    r")?(?:grund|anrufgrund|anlass)",
    r"(?:ihren namen und (?:den |ihren )?(?:grund|anrufgrund|anlass)|anruffilter|filtert (?:seine|ihre) "
    r"anrufe)",
    r"(?:dica|dire|registri|registrare|indichi|indicare) il suo nome e (?:il )?motivo",
    r"(?:diga|grave|indique|informe) (?:o )?seu nome e (?:o )?motivo",
    r"(?:noem|zeg|spreek) (?:\w+ )?uw naam en (?:de )?reden",
    r"(?:podaj|prosze podac|powiedz|prosze powiedziec) (?:swoje )?imie (?:i nazwisko )?(?:i|oraz) "
    r"(?:powod|cel)",
    r"apna naam aur (?:call )?(?:karne ki|karne ka|ki|ka)? ?(?:wajah|karan)",
)
_DIGITS: Final = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "zero": "0", "star": "*", "pound": "#", "hash": "#", "uno": "1", "un": "1", "eins": "1", "die eins": "1",
    "um": "1", "een": "1", "jeden": "1", "ek": "1",
}  # fmt: skip
_KEY: Final = (
    r"(?:the |die |la |le |el |il |de |een )?(?:key |number |tecla |touche |taste |tasto |toets )?(\d|"
) + ("|".join(sorted(_DIGITS, key=len, reverse=True)) + r")\b")
_THROUGH: Final = (
    r"(?:to |and |so |if you |para |pour |um |per |om |aby |please )*(?:\w+ ){0,3}?(?:be connected|"
    r"connect|be put through|complete (?:your|the) call|"
    r"continue|accept|proceed|reach|speak (?:to|with)|talk to|are (?:a )?(?:human|person|not a)|"
    r"ser conectad\w|conectar|continuar|hablar|etre mis en relation|continuer|parler|joindre|"
    r"verbunden|fortzufahren|fortfahren|verbinden|continuare|parlare|falar|doorverbonden|verder|polaczyc|"
    r"kontynuowac)"
)
_PRESS: Final = re.compile(
    rf"\b(?:press|dial|enter|pulse|marque|presione|appuyez sur|tapez|composez|drucken sie|premi|prema|"
    rf"pressione|"
    rf"digite|druk op|toets|nacisnij|wcisnij) {_KEY} {_THROUGH}"
)
_TO_PRESS: Final = re.compile(
    rf"\b(?:{_THROUGH}) (?:\w+ ){{0,4}}?"
    rf"(?:press|dial|enter|pulse|marque|presione|appuyez sur|tapez|drucken sie|prema|druk op|nacisnij) {_KEY}"
)
_REFUSES: Final = (
    r"(?<!i )(?:does not|doesnt|do not|dont|not) (?:accept|take|allow|receive) (?:any )?(?:calls from "
    r")?(?:telemarket|solicit|sales|"
    r"robo|marketing|unsolicited|unidentified|anonymous)\w*",
    r"if (?:you are|youre|this is) (?:a |an )?(?:telemarket|solicit|robo)\w*(?: \w+){0,4}? (?:hang up|"
    r"please hang up|do not)",
    r"no (?:solicitors|telemarketers|soliciting|solicitation)\b",
    r"(?:not accepting calls|has blocked|is not accepting (?:unknown|this))",
)
_WAITS: Final = (
    r"(?:please )?(?:stay on the line|hold (?:on|the line|please|while|for)|wait while|wait a moment|one "
    r"moment|"
    r"just a moment|one sec\w*|connecting (?:you|your call)|connecting now|trying to connect|checking|"
    r"hold on)",
    r"(?:thanks|thank you|ok|okay|got it)(?: \w+){0,3}? (?:ill|i will|let me|we will|well) (?:see|check|"
    r"connect|pass|let)",
    r"(?:un momento|espere|no cuelgue|le comunico|un instant|ne quittez pas|patientez|"
    r"einen moment|bleiben sie|ich verbinde|un attimo|attenda|resti in linea|um momento|aguarde|"
    r"een ogenblik|blijf aan de lijn|chwileczke|prosze czekac|kripya pratiksha|ek minute)",
)
_ASK: Final = re.compile(rf"\b(?:{'|'.join(_ASKS)})")
_REFUSE: Final = re.compile(rf"\b(?:{'|'.join(_REFUSES)})")
_WAIT: Final = re.compile(rf"\b(?:{'|'.join(_WAITS)})\b")
_MAILBOX: Final = re.compile(
    r"\b(?:leave (?:me |us )?(?:a|your) (?:\w+ )?message|voice ?mail|mail ?box|get back to you|call you "
    r"back)\b"
)
_LONGEST: Final = 500
"""Characters of one transcript that count."""


def recognise(said: str, *, waiting: bool = False) -> Robot | None:
    """What a screening robot wants; None: it is none.

    Args:
        said: a transcript of any length; only its first 500 characters count.
        waiting: a robot was already answered in this call, so that "one moment, please" is its own too.
    """
    words = plain(fold(said[:_LONGEST]))
    if not words:
        return None
    if _REFUSE.search(words):
        return Robot(refuses=True)
    pressed = _PRESS.search(words) or _TO_PRESS.search(words)
    if pressed:
        key = next(group for group in pressed.groups() if group)
        return Robot(key=_DIGITS.get(key, key))
    if _ASK.search(words) and not _MAILBOX.search(words):
        return Robot(asks=True)
    return Robot() if waiting and _WAIT.search(words) else None
