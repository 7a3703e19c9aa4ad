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
    screening: str = ""
    """Said to a robot that asks who calls and why; `{{ call_reason }}` is the script's reason."""
    switched: str = ""
    """Said when the person asked for this language: that it goes on in it."""


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
        screening="This is {{ agent_name }}, an AI assistant calling for {{ seller_name }}. "
        "{{ call_reason }}",
        switched="Of course, let's go on in English.",
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
        screening="Soy {{ agent_name }}, un asistente de inteligencia artificial, y llamo de parte de "
        "{{ seller_name }}. {{ call_reason }}",
        switched="Claro, seguimos en español.",
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
        screening="Ici {{ agent_name }}, un assistant d'intelligence artificielle, pour {{ seller_name }}. "
        "{{ call_reason }}",
        switched="Bien sûr, continuons en français.",
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
        screening="Hier ist {{ agent_name }}, ein KI-Assistent im Auftrag von {{ seller_name }}. "
        "{{ call_reason }}",
        switched="Gerne, wir sprechen auf Deutsch weiter.",
    ),
    "it": Lines(
        disclosure_ai="Buongiorno, sono {{ agent_name }}, un assistente di intelligenza artificiale, e "
        "chiamo per conto di {{ seller_name }}.",
        disclosure_opt_out="Dica non chiamatemi più o prema 9 e non la chiameremo più.",
        disclosure_recorded="Questa chiamata viene registrata.",
        recovery="Mi scusi, è caduta la linea per un momento.",
        recovery_again="Mi scusi, è caduta la linea per un momento, può ripetere?",
        goodbye="Grazie per il suo tempo. Arrivederci.",
        opt_out_acknowledged="Non è più sul nostro elenco e non la chiameremo più. Arrivederci.",
        nudge="È ancora in linea?",
        second_nudge="Non la sento. È in linea?",
        silence_goodbye="Non sento nessuno, quindi la saluto. Arrivederci.",
        bridging="Un momento, per favore.",
        trouble="Mi scusi, ho avuto un piccolo problema.",
        trouble_goodbye="Mi dispiace, ho un problema tecnico. Grazie per la pazienza. Arrivederci.",
        time_up="Le ho già preso abbastanza tempo. Grazie mille. Arrivederci.",
        transferring="Un momento, le passo {{ target }}.",
        transfer_failed="Mi dispiace, al momento non è libero nessuno. Grazie per la pazienza. Arrivederci.",
        screening="Sono {{ agent_name }}, un assistente di intelligenza artificiale, e chiamo per conto di "
        "{{ seller_name }}. {{ call_reason }}",
        switched="Certo, continuiamo in italiano.",
    ),
    "pt": Lines(
        disclosure_ai="Olá, aqui é {{ agent_name }}, um assistente de inteligência artificial, e ligo em "
        "nome de {{ seller_name }}.",
        disclosure_opt_out="Diga não me ligue mais ou pressione 9 e não voltaremos a ligar.",
        disclosure_recorded="Esta chamada está sendo gravada.",
        recovery="Desculpe, a ligação caiu por um momento.",
        recovery_again="Desculpe, a ligação caiu por um momento, pode repetir?",
        goodbye="Obrigado pelo seu tempo. Até logo.",
        opt_out_acknowledged="Seu número saiu da nossa lista e não voltaremos a ligar. Até logo.",
        nudge="Ainda está aí?",
        second_nudge="Não consigo ouvir. Está aí?",
        silence_goodbye="Não ouço ninguém, por isso vou desligar. Até logo.",
        bridging="Um momento, por favor.",
        trouble="Desculpe, tive um pequeno problema.",
        trouble_goodbye="Desculpe, estou com um problema técnico. Obrigado pela paciência. Até logo.",
        time_up="Já tomei bastante do seu tempo. Muito obrigado. Até logo.",
        transferring="Um momento, vou passar para {{ target }}.",
        transfer_failed="Desculpe, ninguém está livre agora. Obrigado pela paciência. Até logo.",
        screening="Aqui é {{ agent_name }}, um assistente de inteligência artificial, em nome de "
        "{{ seller_name }}. {{ call_reason }}",
        switched="Claro, vamos continuar em português.",
    ),
    "nl": Lines(
        disclosure_ai="Goedendag, u spreekt met {{ agent_name }}, een AI-assistent namens {{ seller_name }}.",
        disclosure_opt_out="Zeg bel mij niet meer of druk op 9, dan bellen wij niet meer.",
        disclosure_recorded="Dit gesprek wordt opgenomen.",
        recovery="Sorry, de verbinding viel even weg.",
        recovery_again="Sorry, de verbinding viel even weg, kunt u dat herhalen?",
        goodbye="Dank u voor uw tijd. Tot ziens.",
        opt_out_acknowledged="U staat niet meer op onze lijst en wij bellen u niet meer. Tot ziens.",
        nudge="Bent u er nog?",
        second_nudge="Ik hoor u niet. Bent u daar?",
        silence_goodbye="Ik hoor niemand, dus ik hang op. Tot ziens.",
        bridging="Een ogenblik, alstublieft.",
        trouble="Sorry, ik had even een klein probleem.",
        trouble_goodbye="Het spijt me, ik heb een technisch probleem. Dank u voor uw geduld. Tot ziens.",
        time_up="Ik heb genoeg van uw tijd genomen. Hartelijk dank. Tot ziens.",
        transferring="Een ogenblik, ik verbind u door met {{ target }}.",
        transfer_failed="Het spijt me, er is nu niemand vrij. Dank u voor uw geduld. Tot ziens.",
        screening="U spreekt met {{ agent_name }}, een AI-assistent namens {{ seller_name }}. "
        "{{ call_reason }}",
        switched="Natuurlijk, we gaan verder in het Nederlands.",
    ),
    "pl": Lines(
        disclosure_ai="Dzień dobry, mówi {{ agent_name }}, asystent oparty na sztucznej inteligencji, "
        "dzwonię w imieniu {{ seller_name }}.",
        disclosure_opt_out="Proszę powiedzieć nie dzwońcie więcej albo nacisnąć 9, a nie zadzwonimy więcej.",
        disclosure_recorded="Ta rozmowa jest nagrywana.",
        recovery="Przepraszam, na chwilę nas rozłączyło.",
        recovery_again="Przepraszam, na chwilę nas rozłączyło, czy można to powtórzyć?",
        goodbye="Dziękuję za poświęcony czas. Do widzenia.",
        opt_out_acknowledged="Numer został usunięty z naszej listy i nie zadzwonimy więcej. Do widzenia.",
        nudge="Czy jest tam ktoś?",
        second_nudge="Nic nie słyszę. Czy ktoś tam jest?",
        silence_goodbye="Nikogo nie słyszę, więc się rozłączam. Do widzenia.",
        bridging="Chwileczkę, proszę.",
        trouble="Przepraszam, miałem mały problem.",
        trouble_goodbye="Przepraszam, mam problem techniczny. Dziękuję za cierpliwość. Do widzenia.",
        time_up="To już wystarczy, dziękuję bardzo za czas. Do widzenia.",
        transferring="Chwileczkę, łączę z {{ target }}.",
        transfer_failed="Przepraszam, nikt nie jest teraz wolny. Dziękuję za cierpliwość. Do widzenia.",
        screening="Mówi {{ agent_name }}, asystent oparty na sztucznej inteligencji, w imieniu "
        "{{ seller_name }}. {{ call_reason }}",
        switched="Oczywiście, mówmy po polsku.",
    ),
    "hi": Lines(
        disclosure_ai="नमस्ते, मैं {{ agent_name }} हूँ, एक एआई सहायक, {{ seller_name }} की ओर से।",
        disclosure_opt_out="दोबारा कॉल मत करो कहिए या 9 दबाइए, और हम फिर कॉल नहीं करेंगे।",
        disclosure_recorded="यह कॉल रिकॉर्ड की जा रही है।",
        recovery="माफ़ कीजिए, लाइन एक पल के लिए कट गई थी।",
        recovery_again="माफ़ कीजिए, लाइन एक पल के लिए कट गई थी, क्या आप फिर से कहेंगे?",
        goodbye="आपके समय के लिए धन्यवाद। नमस्ते।",
        opt_out_acknowledged="आपका नंबर हमारी सूची से हट गया है और हम दोबारा कॉल नहीं करेंगे। नमस्ते।",
        nudge="क्या आप लाइन पर हैं?",
        second_nudge="मुझे आपकी आवाज़ नहीं आ रही। क्या आप हैं?",
        silence_goodbye="मुझे कोई सुनाई नहीं दे रहा, इसलिए मैं कॉल रख रहा हूँ। नमस्ते।",
        bridging="एक पल रुकिए।",
        trouble="माफ़ कीजिए, मुझे एक छोटी सी दिक्कत हुई।",
        trouble_goodbye="माफ़ कीजिए, तकनीकी दिक्कत है। आपके धैर्य के लिए धन्यवाद। नमस्ते।",
        time_up="मैंने आपका काफ़ी समय ले लिया। बहुत धन्यवाद। नमस्ते।",
        transferring="एक पल, मैं आपको {{ target }} से जोड़ रहा हूँ।",
        transfer_failed="माफ़ कीजिए, अभी कोई खाली नहीं है। आपके धैर्य के लिए धन्यवाद। नमस्ते।",
        screening="मैं {{ agent_name }} हूँ, एक एआई सहायक, {{ seller_name }} की ओर से। {{ call_reason }}",
        switched="ज़रूर, हम हिंदी में बात करते हैं।",
    ),
}
"""Default lines by primary language subtag (ISO 639-1)."""


def primary(language: str) -> str:
    """The primary subtag of a BCP-47 tag in lower case; `multi` counts as English."""
    subtag = language.split("-", 1)[0].strip().lower()
    return "en" if subtag in ("multi", "") else subtag
