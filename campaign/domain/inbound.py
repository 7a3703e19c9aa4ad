"""Calls to us: what the agent says first to somebody who rings back, and what it knows of the calls before.

That an AI speaks is said first in every call, also in one that the person makes; only the words differ, as it
is they who call. Whoever we don't know hears who called and how to stop the calls.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec

from campaign.domain.phrases import primary
from campaign.domain.transfers import in_words


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[script.inbound]`: how calls to our caller ids are answered. All of it has defaults."""

    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    """So many days after our last call a person who rings back still reaches this campaign's agent."""
    disclosure_ai: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """Said first: who is reached, and that an AI speaks."""
    greeting: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """Said after the disclosures, in place of the script's greeting; may hold variables."""


class InboundLines(msgspec.Struct, frozen=True):
    """Our own words; `{{ … }}` are variables of the script, `{name}` and `{number}` the seller's."""

    disclosure_ai: str
    greeting: str
    stranger: str
    """To a caller whom no campaign knows."""
    withheld: str
    """The same, where the number is kept back."""
    listed: str
    """To a caller whose number is on a do-not-call list: short, and nothing is sold."""
    goodbye: str
    """When a stranger has nothing to say."""
    no_number: str
    """When what a stranger keyed in is no telephone number."""


LINES: Final[Mapping[str, InboundLines]] = {
    "en": InboundLines(
        disclosure_ai="Hello, this is {{ agent_name }}, the AI assistant of {{ seller_name }}.",
        greeting="Thank you for calling back. We had called you. Do you have a moment?",
        stranger="This is the automated line of {name}. If we called you and you want no more calls, press 9 "
        "or say stop calling.",
        withheld="This is the automated line of {name}. If you want no more calls from us, key in your "
        "telephone number with its area code, then press the hash key.",
        listed="This is the automated line of {name}. Your number is on our do-not-call list, and we will "
        "not call you. To reach us, call {number}. Goodbye.",
        goodbye="To reach us, call {number}. Goodbye.",
        no_number="That is no telephone number. To stop our calls, call {number}. Goodbye.",
    ),
    "es": InboundLines(
        disclosure_ai="Hola, soy {{ agent_name }}, el asistente de inteligencia artificial de "
        "{{ seller_name }}.",
        greeting="Gracias por devolver la llamada. Le habíamos llamado. ¿Tiene un momento?",
        stranger="Esta es la línea automática de {name}. Si le hemos llamado y no quiere más llamadas, pulse "
        "9 o diga no me llamen más.",
        withheld="Esta es la línea automática de {name}. Si no quiere más llamadas nuestras, marque su "
        "número de teléfono con prefijo y pulse la tecla almohadilla.",
        listed="Esta es la línea automática de {name}. Su número está en nuestra lista de no llamar y no le "
        "llamaremos. Para hablar con nosotros, llame al {number}. Adiós.",
        goodbye="Para hablar con nosotros, llame al {number}. Adiós.",
        no_number="Ese no es un número de teléfono. Para no recibir llamadas, llame al {number}. Adiós.",
    ),
    "fr": InboundLines(
        disclosure_ai="Bonjour, ici {{ agent_name }}, l'assistant d'intelligence artificielle de "
        "{{ seller_name }}.",
        greeting="Merci de nous rappeler. Nous vous avions appelé. Avez-vous un instant ?",
        stranger="Ici la ligne automatique de {name}. Si nous vous avons appelé et que vous ne voulez plus "
        "d'appels, appuyez sur 9 ou dites ne m'appelez plus.",
        withheld="Ici la ligne automatique de {name}. Si vous ne voulez plus d'appels, composez votre numéro "
        "de téléphone, puis appuyez sur dièse.",
        listed="Ici la ligne automatique de {name}. Votre numéro est sur notre liste d'opposition, nous ne "
        "vous appellerons pas. Pour nous joindre, composez le {number}. Au revoir.",
        goodbye="Pour nous joindre, composez le {number}. Au revoir.",
        no_number="Ce n'est pas un numéro de téléphone. Pour arrêter les appels, composez le {number}. Au "
        "revoir.",
    ),
    "de": InboundLines(
        disclosure_ai="Guten Tag, hier ist {{ agent_name }}, der KI-Assistent von {{ seller_name }}.",
        greeting="Danke, dass Sie zurückrufen. Wir hatten Sie angerufen. Haben Sie einen Moment Zeit?",
        stranger="Hier ist der automatische Anschluss von {name}. Wenn wir Sie angerufen haben und Sie "
        "keine Anrufe mehr wollen, drücken Sie die 9 oder sagen Sie: nicht mehr anrufen.",
        withheld="Hier ist der automatische Anschluss von {name}. Wenn Sie keine Anrufe mehr wollen, geben "
        "Sie Ihre Rufnummer mit Vorwahl ein und drücken Sie die Rautetaste.",
        listed="Hier ist der automatische Anschluss von {name}. Ihre Nummer steht auf unserer Sperrliste, "
        "wir rufen Sie nicht an. Sie erreichen uns unter {number}. Auf Wiederhören.",
        goodbye="Sie erreichen uns unter {number}. Auf Wiederhören.",
        no_number="Das ist keine Rufnummer. Um keine Anrufe mehr zu erhalten, rufen Sie {number} an. "
        "Auf Wiederhören.",
    ),
}


def lines(language: str) -> InboundLines:
    """Our own words in a language, English where we have none."""
    return LINES.get(primary(language), LINES["en"])


def spoken_first(inbound: Inbound, language: str) -> tuple[str, str]:
    """The disclosure that an AI speaks, and the greeting, of a call to us."""
    own = lines(language)
    return inbound.disclosure_ai or own.disclosure_ai, inbound.greeting or own.greeting


def faults(inbound: Inbound, language: str) -> list[tuple[str, str]]:
    """What is missing in a language that we have no words for: (path within the script, sentence why)."""
    if primary(language) in LINES:
        return []
    needed = ("disclosure_ai", "greeting")
    why = f"is needed: there are no own words for {language!r}"
    return [(f"inbound.{name}", why) for name in needed if not getattr(inbound, name)]


LONGEST_BACKGROUND: Final = 2000
"""Characters of earlier calls that an agent is told of."""


class Earlier(msgspec.Struct, frozen=True):
    """A call of ours before: when, how it ended in words, who said what (redacted)."""

    at: datetime
    ended: str
    said: Sequence[tuple[str, str]]


def background(earlier: Sequence[Earlier], answers: Mapping[str, object]) -> str:
    """What the agent is told of a person who rings back.

    Args:
        earlier: our calls to them, newest first; `at` in their own zone.
        answers: gathered so far, by question key.
    """
    parts = [
        "They are calling us: they ring back on a call of ours. Answer what they want; don't start over."
    ]
    for call in earlier:
        words = " ".join(f"{who}: {_flat(text)}" for who, text in call.said)
        said = f" Then was said: {words}" if words else ""
        parts.append(f"We called on {call.at:%A, %B} {call.at.day} at {call.at:%H:%M}: {call.ended}.{said}")
    if answers:
        known = "; ".join(f"{key}: {_flat(in_words(value))}" for key, value in answers.items())
        parts.append(f"They have answered: {known}.")
    return " ".join(parts)[:LONGEST_BACKGROUND]


def _flat(text: str) -> str:
    """One line without brackets or braces, so that earlier words can't pass for anything but words."""
    return " ".join(text.translate(_MARKS).split())[:300]


_MARKS: Final = str.maketrans(dict.fromkeys("{}<>[]`|\\", " "))
