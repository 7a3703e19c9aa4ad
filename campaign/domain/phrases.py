"""What the service says by itself when a script leaves a line out, in the languages it knows.

A script in another language has to give its own lines (`script.faults` says which). Every line is plain
text: no markup, no abbreviations that a voice would spell.
"""

from typing import Final

import msgspec


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The fixed lines of a conversation; an empty one means the language's own (see `PHRASES`).

    Only `disclosure_*` may be switched off, by a single hyphen ("-"); whether the rules of a region allow
    that is decided where campaigns are checked.
    """

    disclosure_ai: str = ""
    """Said first of all: who calls, and that an AI speaks."""
    disclosure_opt_out: str = ""
    """Said right after it: how to stop the calls, by voice and by key."""
    disclosure_recorded: str = ""
    """Said when `record` is true: that the call is recorded."""
    recovery: str = ""
    """The one sentence that bridges a dropped line when we know what to say next."""
    recovery_again: str = ""
    """The one sentence that bridges a dropped line when the person's words may be lost."""
    goodbye: str = ""
    """Last words when the agent ends the call without any of its own."""
    opt_out_acknowledged: str = ""
    """One statement, never a question, after which the line is dropped."""
    nudge: str = ""
    """After the first silence."""
    second_nudge: str = ""
    """After the second silence."""
    silence_goodbye: str = ""
    """After the third silence, before hanging up."""
    bridging: str = ""
    """Said when the agent's first words take too long."""
    trouble: str = ""
    """Said when the agent fails and the scripted agent takes over."""
    trouble_goodbye: str = ""
    """Said when nothing can answer any more, before hanging up."""
    time_up: str = ""
    """Said when the longest call or the most turns are reached, before hanging up."""
    transferring: str = ""
    """Said before the person is put through; `{{ target }}` is the target's spoken name."""
    transfer_failed: str = ""
    """Said when nobody took the transfer, before hanging up."""


PHRASES: Final[dict[str, Lines]] = {
    "en": Lines(
        disclosure_ai="Hello, this is {{ agent_name }}, an AI assistant calling for {{ seller_name }}.",
        disclosure_opt_out="Say stop calling or press 9 and we won't call again.",
        disclosure_recorded="This call is recorded.",
        recovery="Sorry, we were cut off for a moment.",
        recovery_again="Sorry, we were cut off for a moment, could you say that again?",
        goodbye="Thank you for your time. Goodbye.",
        opt_out_acknowledged="You're off our list and we won't call you again. Goodbye.",
        nudge="Are you still there?",
        second_nudge="I can't hear you. Are you there?",
        silence_goodbye="I can't hear anyone, so I'll let you go. Goodbye.",
        bridging="One moment, please.",
        trouble="Sorry, I had a little trouble there.",
        trouble_goodbye="I'm sorry, I'm having technical trouble. Thank you for your patience. Goodbye.",
        time_up="I've taken enough of your time. Thank you very much. Goodbye.",
        transferring="One moment, I'm putting you through to {{ target }}.",
        transfer_failed="I'm sorry, nobody is free right now. Thank you for your patience. Goodbye.",
    ),
    "es": Lines(
        disclosure_ai="Hola, soy {{ agent_name }}, un asistente de inteligencia artificial, y llamo de parte "
        "de {{ seller_name }}.",
        disclosure_opt_out="Diga no me llamen más o pulse 9 y no volveremos a llamar.",
        disclosure_recorded="Esta llamada se graba.",
        recovery="Perdone, se cortó un momento.",
        recovery_again="Perdone, se cortó un momento, ¿puede repetirlo?",
        goodbye="Gracias por su tiempo. Adiós.",
        opt_out_acknowledged="Ya no está en nuestra lista y no volveremos a llamarle. Adiós.",
        nudge="¿Sigue ahí?",
        second_nudge="No le oigo. ¿Está ahí?",
        silence_goodbye="No oigo a nadie, así que le dejo. Adiós.",
        bridging="Un momento, por favor.",
        trouble="Perdone, he tenido un pequeño problema.",
        trouble_goodbye="Lo siento, tengo un problema técnico. Gracias por su paciencia. Adiós.",
        time_up="Ya le he quitado bastante tiempo. Muchas gracias. Adiós.",
        transferring="Un momento, le paso con {{ target }}.",
        transfer_failed="Lo siento, ahora no hay nadie disponible. Gracias por su paciencia. Adiós.",
    ),
    "fr": Lines(
        disclosure_ai="Bonjour, ici {{ agent_name }}, un assistant d'intelligence artificielle, pour "
        "{{ seller_name }}.",
        disclosure_opt_out="Dites ne m'appelez plus ou appuyez sur 9 et nous n'appellerons plus.",
        disclosure_recorded="Cet appel est enregistré.",
        recovery="Pardon, nous avons été coupés un instant.",
        recovery_again="Pardon, nous avons été coupés un instant, pouvez-vous répéter ?",
        goodbye="Merci de votre temps. Au revoir.",
        opt_out_acknowledged="Vous n'êtes plus sur notre liste et nous ne vous appellerons plus. Au revoir.",
        nudge="Êtes-vous toujours là ?",
        second_nudge="Je ne vous entends pas. Êtes-vous là ?",
        silence_goodbye="Je n'entends personne, je vous laisse donc. Au revoir.",
        bridging="Un instant, s'il vous plaît.",
        trouble="Pardon, j'ai eu un petit souci.",
        trouble_goodbye="Je suis désolé, j'ai un problème technique. Merci de votre patience. Au revoir.",
        time_up="Je vous ai assez retenu. Merci beaucoup. Au revoir.",
        transferring="Un instant, je vous passe {{ target }}.",
        transfer_failed="Je suis désolé, personne n'est libre. Merci de votre patience. Au revoir.",
    ),
    "de": Lines(
        disclosure_ai="Guten Tag, hier ist {{ agent_name }}, ein KI-Assistent im Auftrag von "
        "{{ seller_name }}.",
        disclosure_opt_out="Sagen Sie, nicht mehr anrufen, oder drücken Sie die 9, dann rufen wir nicht "
        "wieder an.",
        disclosure_recorded="Dieses Gespräch wird aufgezeichnet.",
        recovery="Entschuldigung, wir waren kurz unterbrochen.",
        recovery_again="Entschuldigung, wir waren kurz unterbrochen, können Sie das wiederholen?",
        goodbye="Vielen Dank für Ihre Zeit. Auf Wiederhören.",
        opt_out_acknowledged="Sie stehen nicht mehr auf unserer Liste, wir rufen nicht wieder an. "
        "Auf Wiederhören.",
        nudge="Sind Sie noch da?",
        second_nudge="Ich höre Sie nicht. Sind Sie da?",
        silence_goodbye="Ich höre niemanden und lege deshalb auf. Auf Wiederhören.",
        bridging="Einen Moment, bitte.",
        trouble="Entschuldigung, ich hatte eben eine kleine Störung.",
        trouble_goodbye="Es tut mir leid, ich habe eine technische Störung. Vielen Dank für Ihre Geduld. "
        "Auf Wiederhören.",
        time_up="Ich habe Sie lange genug aufgehalten. Vielen Dank. Auf Wiederhören.",
        transferring="Einen Moment, ich verbinde Sie mit {{ target }}.",
        transfer_failed="Es tut mir leid, gerade ist niemand frei. Vielen Dank für Ihre Geduld. "
        "Auf Wiederhören.",
    ),
}
"""Default lines by primary language subtag (ISO 639-1)."""


def primary(language: str) -> str:
    """The primary subtag of a BCP-47 tag in lower case; `multi` counts as English."""
    subtag = language.split("-", 1)[0].strip().lower()
    return "en" if subtag in ("multi", "") else subtag
