"""Ways to ask not to be called again, in many languages, that are looked for in every call.

Patterns are regular expressions over folded text (see `opt_out.fold`): lower case, no accents, no
apostrophes, clauses parted by " , ". The wording of single languages stands in opt_out_words.py.
"""

from typing import Final, NamedTuple


class Wording(NamedTuple):
    """One way to ask.

    Args:
        needs: texts, parted by "|": every match of the pattern holds one of them. What holds none that any
            wording needs is never searched: that took an eighth of all that a turn of a talk takes.
        pattern: what is looked for.
    """

    needs: str
    pattern: str


_ME = (
    r"(?:me|us|my (?:\w+ )?(?:name|number|phone|line|information|info|details|data|record)s?(?: number)?|"
    r"our (?:\w+ )?(?:name|number|phone|line|details)s?|this (?:\w+ )?(?:number|phone|line|house|home|"
    r"address)|"
    r"that number|the number|it|him|her|them|my (?:wife|husband|mother|father|mom|dad|son|daughter))"
)
_CALLS = r"(?:calls?|phone calls?|robocalls?|contact|harassment|spam)"
_LIST = (
    r"(?:lists?|database|data base|records?|systems?|files?|books?|call sheet|campaign|calls?|dialer|"
    r"contacts?)"
)

ALWAYS: Final = (
    # taken off a list
    Wording(
        "off",
        rf"\b(?:take|get|pull|cut|scratch|strike|drop|leave|keep|cross) {_ME} off (?:of )?"
        rf"(?:(?:your|the|that|this|these|those|any|all|every|whatever) )*(?:\w+ ){{0,3}}?{_LIST}\b",
    ),
    Wording("off", rf"\b(?:take|get|pull|cut) {_ME} off(?: please)?(?: ,|$)"),
    Wording(
        "remove|delete|erase|scrub|wipe|purge|unlist|deregister",
        rf"\b(?:remove|delete|erase|scrub|wipe|purge|unlist|deregister) {_ME}\b",
    ),
    Wording(
        "removed|deleted|off|dropped|erased",
        r"\bbe (?:removed|deleted|taken off|dropped|erased)\b(?! (?:from )?hold)",
    ),
    Wording(
        "off", r"\b(?:want|wanna be|like|need) (?:me |us )?off (?:of )?(?:your|the|this|that) (?:\w+ )?list\b"
    ),
    Wording("off", r"\boff (?:of )?your (?:\w+ ){0,2}list\b"),
    # the do-not-call list itself
    Wording(
        "call list|call registry|call register|call database",
        r"\b(?:do not|dont|no) call (?:list|registry|register|database)\b",
    ),
    Wording(
        "not call|nt call|no call|dnc",
        r"\b(?:put|add|place) (?:me|us|my number|this number|this|it) (?:down )?(?:on|to|onto|in|as) "
        r"(?:(?:your|the|a|that) )?(?:internal )?(?:do not call|dont call|no call|dnc)\b",
    ),
    Wording("dnc", r"\bdnc list\b"),
    # consent withdrawn
    Wording("unsubscrib|opt", r"\bunsubscrib\w*\b|\bopt(?:ing|ed)? (?:me |us |this number )?out\b"),
    Wording(
        "consent|permission",
        r"\b(?:revoke|withdraw|rescind|take back)\w* (?:my |our |any |all )?(?:consent|permission)\b",
    ),
    Wording(
        "consent|permission", r"\bi (?:do not|dont|no longer) (?:give (?:you )?)?(?:consent|permission)\b"
    ),
    # stop the calls
    Wording(
        "call|contact|harassment|spam",
        rf"\b(?!end (?:this|the|our) call\b)(?:stop|quit|cease|end|enough|no more|halt)(?: with)?(?: "
        rf"(?:all|the|these|those|your|"
        rf"any|of|more|this|"
        rf"further|future|unwanted|damn|stupid|fucking))* {_CALLS}\b(?! (?:it|that|yourself|him a))",
    ),
    Wording(
        "stop|quit|cease",
        r"\b(?:stop|quit|cease) (?:bothering|harassing|pestering|spamming|contacting|disturbing|"
        r"dialing|dialling|"
        r"ringing|phoning|bugging|annoying|trying to (?:call|reach|contact)) ?",
    ),
    Wording(
        "cease|no more|enough with",
        r"\bcease and desist\b|\bno more (?:phone )?calls\b|\benough with the calls\b",
    ),
    Wording(
        "leave me|leave us|leave my|let me|let us|let my",
        r"\b(?:leave|let) (?:me|us|my family|my (?:mother|father|wife|husband)) (?:alone|be)(?: ,|"
        r"$| please| now|"
        r" already| and)",
    ),
    Wording(
        "lose |forget |delete |burn |throw away |shred |destroy ",
        r"\b(?:lose|forget|delete|burn|throw away|shred|destroy) (?:my|this|our) (?:phone )?number\b",
    ),
    Wording("off", r"\b(?:fuck|piss|sod|bugger) off\b"),
    Wording(
        "to hear|to get |to receive",
        r"\bdo ?n[o]?t (?:ever )?(?:want|wish|care) to (?:hear|get (?:a )?calls?|receive (?:any "
        r")?(?:more )?calls?) "
        r"(?:from|for|like)\b",
    ),
    Wording(
        "no longer|not want|not wish|not like|never want|never wish|never like",
        r"\b(?:no longer|not|never) (?:want|wish|wanting|like) (?:to )?(?:be |get |receive |"
        r"getting |receiving )"
        r"(?:called|contacted|phoned|these|your|any|more|calls?)",
    ),
    Wording(
        "calls",
        r"\bdont (?:want|need|wish|like)(?: to)?(?: get| receive| getting| receiving| have)?(?: "
        r"any| your| these| more"
        r"| further| such| sales| marketing)* (?:phone )?calls\b(?! (?:in the|at|before|after|on|"
        r"during|today|tomorrow))",
    ),
    Wording(
        "stop",
        r"(?<!dont )(?<!not )(?<!never )(?<!didnt )\b(?:want|like|need|tell|ask|have|make)\w* (?:you "
        r"|them |it |these |those |all "
        r")*(?:people |guys |calls )*"
        r"(?:to )?stop(?: getting| receiving| these| the| calling| all| ,|$)",
    ),
    Wording(
        "never",
        r"\bnever (?:ever )?(?:call|phone|ring|contact|dial|bother)(?: (?:me|us|here|this \w+|my \w+))*"
        r" (?:again|any ?more|ever)\b",
    ),
    # Spanish
    Wording(
        "quit|saq|elimin|borr|retir",
        r"\b(?:quit[ea]n?me|saqu?[ea]n?me|elimin[ea]n?me|borr[ea]n?me|retir[ea]n?me|me (?:quiten?|"
        r"saquen?|borren?|"
        r"eliminen?))\b(?! (?:la duda|el|un))",
    ),
    Wording("quit|elimin|borr|retir", r"\b(?:borr|elimin|quit|retir)en? mi (?:numero|nombre|telefono)\b"),
    Wording(
        "llamar|molestar|marcar", r"\b(?:dej[ea]n?|par[ea]n?|dejar|parar) de (?:llamar|molestar|marcar)\w*\b"
    ),
    Wording("vuelv", r"\bno (?:me )?vuelv[ae]n? a (?:llamar|marcar|contactar|molestar)\w*\b"),
    Wording(
        "llam|molest|contact|marqu",
        r"\bno (?:me )?(?:llam|molest|contact|marqu)[ea]n? (?:mas|nunca|jamas|otra vez)\b|\bno "
        r"mas llamadas\b",
    ),
    Wording(
        "llam|contact",
        r"\bno (?:quiero|deseo) (?:recibir )?(?:mas |sus |estas )*llamadas\b(?! (?:por|de|a|antes|en|"
        r"hoy)\b)|\bno quiero que me "
        r"(?:llam|contact)en\b",
    ),
    Wording(
        "en paz|de baja|no llamar",
        r"\bdej[ea]n?me en paz\b|\b(?:dar|den?|dar|deme|denme|darme) de baja\b|\blista de no llamar\b",
    ),
    Wording("no llamar", r"\bno llamar\b"),
    # French
    Wording(
        "appelez|contactez|telephonez|derangez|ennuyez",
        r"\b(?:ne )?(?:m|me|nous|n)? ?(?:r?appelez|contactez|telephonez|derangez|ennuyez) (?:moi )?"
        r"(?:plus|jamais)\b(?! tard)",
    ),
    Wording(
        "appel|telephoner|deranger|harceler",
        r"\barr?etez? (?:de )?(?:m|me|nous)? ?(?:appeler|dappeler|mappeler|telephoner|deranger|"
        r"harceler|vos appels|"
        r"ces appels|les appels)\b",
    ),
    Wording(
        "ez moi|er moi|ez mon |er mon |ez mes |er mes ",
        r"\b(?:retir|enlev|supprim|ray|effac|radi)(?:ez|er) (?:moi|mon (?:numero|nom)|mes "
        r"(?:donnees|coordonnees))\b",
    ),
    Wording(
        "appel|veux plus", r"\bplus (?:de |d|aucun )?appels?\b|\bje ne veux plus (?:etre|recevoir|que vous)\b"
    ),
    Wording(
        "desinscri|desabonn|laissez|fichez|foutez",
        r"\bdesinscri\w+\b|\bdesabonn\w+\b|\b(?:laissez|fichez|foutez) (?:moi|nous) (?:la paix|"
        r"tranquilles?)\b",
    ),
    # German
    Wording(
        "ruf",
        r"\bruf(?:en|t)? (?:sie |ihr )?(?:mich |uns |hier |diese nummer |bitte )*(?:nicht|nie|"
        r"niemals|nimmer)"
        r"(?: mehr| wieder)+(?: an)?\b",
    ),
    Wording(
        "rufen|kontaktieren",
        r"\b(?:nicht|nie|niemals) (?:mehr|wieder) (?:an(?:zu)?rufen|angerufen|kontaktieren)\b",
    ),
    Wording("rufen", r"\b(?:nicht|nie) (?:von ihnen )?(?:mehr )?angerufen (?:werden|zu werden)\b"),
    Wording(
        "rufen|belastigen",
        r"\bhor(?:en|t) (?:sie |endlich )*auf (?:, )?(?:mich |uns |hier )*(?:anzurufen|zu belastigen)\b",
    ),
    Wording(
        "anrufe",
        r"\bkeine (?:weiteren |werbe ?)?anrufe(?: mehr)?\b(?! (?:erhalten|am|vor|nach|um|in|heute|"
        r"morgen)\b)",
    ),
    Wording(
        "streich|losch|nehm|entfern",
        r"\b(?:streich|losch|nehm|entfern)(?:en|t)? (?:sie |bitte )*(?:mich|meine? (?:nummer|"
        r"namen?|daten)|uns)\b",
    ),
    Wording(
        "lass",
        r"\b(?:in ruhe|in frieden) (?:lassen|zu lassen)\b|\blass(?:en|t)? (?:sie )?(?:mich|uns) "
        r"(?:\w+ )?in (?:ruhe|frieden)\b",
    ),
    Wording(
        "liste ",
        r"\b(?:von|aus) (?:der|ihrer|eurer) (?:\w+)?liste (?:nehmen|streichen|loschen|runter|"
        r"entfernen)\b",
    ),
    Wording(
        "widerruf|widerspruch",
        r"\b(?:ich )?widerruf(?:e|en)? (?:meine |die )?(?:einwilligung|zustimmung)\b|"
        r"\bwerbewiderspruch\b",
    ),
    # Portuguese, Italian
    Wording(
        "nao |de ligar|de me ligar",
        r"\bnao (?:me )?(?:ligue|ligar|liguem|telefone)m? (?:mais|nunca)\b|\bpar(?:e|em|a) de "
        r"(?:me )?ligar\b",
    ),
    Wording(
        "tire|remova",
        r"\b(?:me (?:tire|remova|retire)|(?:tire|remova)m? (?:me|meu (?:numero|nome))) (?:d[aeo] "
        r")?(?:sua )?",
    ),
    Wording(
        "chiam|contatt",
        r"\bnon (?:mi |ci )?(?:chiam|richiam|contatt)(?:ate|i|are|atemi|armi|atelo) (?:piu|mai)\b",
    ),
    Wording(
        "toglie|cancell|rimuov|smett",
        r"\b(?:togliete|toglie|cancell|rimuov)\w*(?:mi)? (?:dalla|dall|il mio)\b|\bsmett\w+ di "
        r"(?:chiamar|telefonar)\w+\b",
    ),
)
"""Clear whatever else is said."""

_REACH = (
    r"(?:call|phone|ring|contact|dial|bother(?= me| us| my)|text|disturb(?= me| us| my)|reach out to|reach)"
)
UNLESS_TIMED: Final = (
    Wording(
        " call| phon| ring| contact| dial| bother| text| disturb| reach",
        rf"(?<!why )(?<!i )(?<!we )(?<!they )(?<!he )(?<!she )(?<!you )(?<!who )(?<!people "
        rf")\b(?:do not|dont|never|"
        rf"not to|to not|you not|must not|should not|shouldnt|cannot|cant|may not)(?: (?:you|ever|"
        rf"even|please|dare|be|"
        rf"keep|to))* (?:{_REACH}|calling|phoning|ringing|contacting|bothering)(?P<who>(?: (?:me|"
        rf"us|here|back|again|"
        rf"any ?more|ever|my \w+(?: \w+)?|our \w+|this \w+(?: number)?|him|her|them))+)?(?= |$)",
    ),
    Wording(
        " call| phon| ring| contact| dial| bother| text| disturb| reach",
        rf"\bdont (?:want|need|like|wish) "
        rf"(?:(?:you|anyone|anybody|your \w+|them|people|somebody)(?: to)? {_REACH}|(?:to )?(?:be|"
        rf"being|get|getting) "
        rf"(?:called|contacted|bothered|phoned|disturbed)|you calling)(?P<who2>(?: (?:me|us|here|"
        rf"back|again|any ?more|ever))+)?(?= |$)",
    ),
    Wording("stop call|quit call|cease call", r"\b(?:stop|quit|cease) call\w*(?: (?:me|us|here))*"),
    Wording(
        " call| contact| phon| bother",
        r"\b(?:rather|prefer|want)(?: that)?(?: you| they)?(?: to)? not (?:to )?(?:be )?(?:call|"
        r"contact|phon|bother)\w*",
    ),
    Wording("llam|contact|marqu|molest", r"\bno (?:me )?(?:llam|contact|marqu|molest)[ea]n?\b"),
    Wording("appelez", r"\bne (?:m|me|nous) ?r?appelez pas\b|\bne mappelez pas\b"),
    Wording(
        "ruf",
        r"\bruf(?:en|t)? (?:sie |ihr )?(?:mich |uns |hier )?(?:bitte )?nicht an\b|\bbitte nicht "
        r"(?:mehr )?anrufen\b",
    ),
)
"""A request unless it is only about a time."""
