"""How people of the packs' countries ask not to be called again, language by language.

Patterns are regular expressions over folded text (see `opt_out.fold`): lower case, no accents (ł, ø and æ
included), no apostrophes, clauses parted by " , ". Each stands for whole words. `always` is clear whatever
follows; `timed` is a request unless its clause is about a time ("not tomorrow"), which `times` tells;
`single` counts only as the whole utterance, and only in calls of that language. At least one word of any
match begins with one of `stems` (with a trailing "_": is that word), which are chosen to be rare in other
languages: a text without any is never searched.
"""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """One language's wording."""

    single: str
    stems: str
    always: tuple[str, ...]
    timed: tuple[str, ...] = ()
    times: str = ""


WORDS: Final[dict[str, Words]] = {
    "en": Words(
        r"stop(?: it| that| this| now)?|quit(?: it)?|end|revoke|op(?:t|ped|ted)? out|cancel|unsubscribe|"
        r"remove(?: me)?|go away|get lost|no more|enough",
        "op_ opt opp sick tire fed_ told aske aski tell anymo again_ any_ blow forge get_ gets take_ pull",
        (
            r"blowing up (?:my|our|this) phone",
            r"(?:you|yall|they|you guys|you people) (?:didnt|did not|wouldnt|would not|never|dont|do not) "
            r"call(?:ed|ing)? (?:\S+ ){0,2}?(?:anymore|any more)",
            r"forget (?:that )?you (?:ever )?(?:had|have|got) (?:this|my|our) number",
            r"(?:get|take|pull|remove) (?:me|us|(?:my|our|this) (?:name|number|info\w*|details)) (?:the "
            r"hell )?(?:out of|out from|from) (?:your|the|this|that) (?:\S+ )?(?:systems?|lists?|"
            r"databases?|records?|files?)",
            r"op(?:p?ed|t|ted)? (?:me |us )?out(?: please| of (?:this|these|your|the|all).*)?",
            r"(?:sick|tired|fed up)(?: and tired)? (?:of|with) (?:you |your |these |all |the |getting "
            r"|people |guys )*(?:calls|calling)",
        ),
        (
            r"(?:told|asked|asking|tell|telling) (?:you|them|these|everyone)(?: \S+){0,2} not to (?:ever "
            r")?(?:call|phone|ring|"
            r"contact)\w*(?: \S+){0,3}",
        ),
        "today tonight tomorrow monday tuesday wednesday thursday friday saturday sunday morning mornings "
        "evening "
        "evenings night nights afternoon before after until when while weekend weekends now early late",
    ),
    "es": Words(
        r"alto|basta(?: ya)?|pare|paren|parar|cancelar|baja|no mas|ya no mas|stop",
        "llam marq cont cons perm autor lista robi fasti joder insi numer nomb telef dejen deje_ "
        "dejar paren pare_ parar basta sufi volve borr elimin datos",
        (
            r"no volver a (?:llamar|marcar|contactar|molestar)\w*",
            r"(?:borr|elimin|quit)(?:e|en|ar|a) (?:todos )?mis datos",
            r"ya no (?:me )?(?:llam(?:e|en|es)|marqu?en?|contacten?)(?: mas)?(?! (?:hoy|ahora|el|por la|a "
            r"esta))",
            r"no (?:quiero|deseo|queremos|deseamos) (?:que (?:me |nos )?(?:llamen|vuelvan|contacten|sigan)|"
            r"(?:mas )?ser (?:llamad|contactad)[oa]s?|volver a (?:ser|recibir)|(?:seguir )?recib\w+ "
            r"(?:mas |sus "
            r"|estas |ninguna |este tipo de )*llamadas?)(?! (?:manana|hoy|por la|a esa|antes|despues))",
            r"(?:retiro|revoco|cancelo) (?:mi |el )?(?:consentimiento|permiso|autorizacion)",
            r"lista robinson",
            r"(?:dej[ea]n?|par[ea]n?) de (?:estar )?(?:llamando|llamarnos|fastidiar|joder|insistir)\w*",
            r"(?:paren?|basta|suficiente|ya) (?:con|de) (?:las |sus |estas |tantas )?llamadas",
            r"(?:nunca|jamas) (?:mas )?(?:me )?(?:vuelvan? a )?(?:llam(?:e|en|ar)|contacten?)(?: (?:me|"
            r"mas))?",
            r"(?:quit|borr|elimin|sac|retir)(?:e|en|a|ar|eme|enme|ame|arme) (?:me )?(?:mi|este|nuestro) "
            r"(?:numero|nombre|telefono)",
        ),
    ),
    "fr": Words(
        r"stop|arretez|arrete|ca suffit|desabonner|desinscription|assez|stop ca",
        "appel rappe mapp cess arre reti enle supp ray effa cons bloc refu mopp oppo marre assez oubl "
        "perd plus rouge derang contac",
        (
            r"(?:ne )?(?:m |me |nous |m|n)?r?appelle(?:s|nt)? (?:plus|jamais)(?: jamais| ici| sur ce numero)?"
            r"(?! tard)",
            r"ne plus (?:jamais )?(?:(?:etre |m |me |nous |m)?r?appelee?s?r?|mappeler|nous appeler|me "
            r"(?:contacter|"
            r"deranger|telephoner)|etre (?:contactee?|derangee?|demarchee?)|recevoir (?:vos|d|de|dappels|"
            r"aucun))"
            r"(?: .*)?",
            r"(?:cessez|cesser|arretez|arreter|arrete) (?:avec |de |d )?(?:me |nous |m )?(?:contacter|"
            r"telephoner|"
            r"demarcher|ces appels|vos appels|mappeler|appeler|embeter|importuner)(?: .*)?",
            r"(?:retir|enlev|supprim|ray|effac)(?:e|es|ez|er) (?:moi|nous|mon (?:numero|nom|telephone)|mes "
            r"(?:donnees|coordonnees)|ce numero)(?: .*)?",
            r"(?:je )?(?:retire|revoque|annule) mon consentement",
            r"bloctel|liste rouge",
            r"(?:je )?(?:refuse|moppose a|m oppose a) (?:d |de |tout |vos |ces )*(?:etre (?:appele|"
            r"contacte)e?|"
            r"demarchage|appels?)",
            r"(?:marre|assez) de (?:vos|ces) appels",
            r"(?:je )?ne (?:veux|souhaite|desire) (?:plus|pas) (?:de |d |vos |etre |recevoir )*(?:appels?|"
            r"dappels?|"
            r"appelee?|rappelee?|contactee?|derangee?)(?! (?:demain|ce soir|aujourdhui|le matin|avant|a "
            r"cette))"
            r"(?: .*)?",
            r"(?:oubliez|perdez) (?:mon|ce) numero",
        ),
    ),
    "de": Words(
        r"stopp?|aufhoren|aufhoeren|schluss(?: jetzt)?|abmelden|kundigen|widerruf|hor(?:en sie)? auf|es "
        r"reicht",
        "anru anzu ange ruf_ rufe rufen ruft_ numm einw zust abme meld kont nimm neh stre losc sper "
        "entf verg unte robi verb lass",
        (
            r"ruf\w* (?:sie )?(?:\S+ ){0,4}?(?:nie wieder|nicht mehr|nie mehr|niemals mehr)(?: an)?",
            r"(?:mich|uns|hier) (?:bitte )?(?:nicht|nie|niemals) (?:mehr|wieder) (?:zu )?(?:kontaktier\w+|"
            r"anzurufen|anrufen|belastig\w+|storen)",
            r"lass\w* (?:sie |ihr )?(?:mich|uns) (?:\S+ ){0,3}?in (?:ruhe|frieden)",
            r"(?:loschen|entfernen|streichen|sperren) sie (?:bitte |sofort )*(?:alle )?(?:meine daten|"
            r"meinen namen|mich|uns|meinen eintrag)",
            r"(?:nimm|nehmen sie|nehmt|streich|streiche|losch|losche|tu|tun sie) (?:bitte )?(?:mich|uns|"
            r"meine "
            r"(?:nummer|daten)|meinen namen) (?:\S+ ){0,3}?(?:raus|runter|liste|verteiler|loschen|"
            r"datenbank|kartei)",
            r"(?:sperren|loschen|entfernen|streichen|vergessen) sie (?:bitte |sofort )?(?:meine|diese|"
            r"unsere) "
            r"(?:telefon|handy|ruf)?nummer",
            r"(?:meine|diese|unsere) (?:telefon|handy|ruf)?nummer (?:bitte |sofort |aus \S+ \S+ )*(?:zu "
            r")?(?:sperren|"
            r"loschen|streichen|entfernen|rausnehmen)",
            r"(?:mochte|will|wunsche|wunschen|mochten|wollen) (?:ich |wir )?(?:bitte )?(?:nicht|nie)(?: "
            r"mehr| wieder| "
            r"langer)? (?:von ihnen |von euch )?(?:mehr )?(?:angerufen|kontaktiert|belastigt)(?: werden)?",
            r"(?:mochte|will|wunsche|wollen|brauche) (?:ich |wir )?(?:bitte )?keine (?:weiteren |werbe|"
            r"mehr |ihre )?"
            r"\s?anrufe(?: mehr)?(?! (?:am|vor|nach|um|in der|wahrend|heute|morgen))",
            r"(?:unterlassen|beenden|stoppen) sie (?:bitte |sofort )?(?:diese|die|ihre|weitere|alle|"
            r"jegliche) "
            r"(?:werbe)?anrufe",
            r"(?:ich )?(?:ziehe|nehme) (?:hiermit )?meine (?:einwilligung|zustimmung) zuruck",
            r"(?:ich )?widerrufe (?:hiermit )?(?:meine |die )?(?:einwilligung|zustimmung)",
            r"(?:einwilligung|zustimmung) (?:widerrufen|zuruckziehen|zurucknehmen)",
            r"(?:melden sie|meld|meldet) (?:mich|uns) (?:bitte )?ab",
            r"(?:horen sie|hort|hor) (?:bitte |endlich )*auf (?:mit )?(?:den |diesen |ihren |mich "
            r")?(?:\S+ )?anruf\w*",
            r"(?:kein|keinen) (?:weiteren )?kontakt mehr|robinsonliste",
            r"(?:ich )?(?:verbiete|untersage) (?:ihnen |euch )?(?:\S+ ){0,3}?(?:anzurufen|anruf\w*)",
            r"(?:nicht|nie) (?:mehr|wieder) (?:bei (?:mir|uns) )?(?:an)?(?:zu)?rufen",
            r"ruf(?:en|t)? (?:sie |ihr )?(?:bei )?(?:mich|mir|uns|hier)? ?(?:bitte )?(?:nicht mehr|nie "
            r"wieder|nie "
            r"mehr|niemals wieder)(?: bei (?:mir|uns))?(?: an)?",
        ),
    ),
    "it": Words(
        r"basta(?: cosi)?|fermatevi|fermati|cancellami|cancellatemi|disiscrivimi|smettila|smettetela|stop|"
        r"disiscrizione|la smetta",
        "chiam richi rico telef conta distu basta togl tolg canc elim rimu depe smet fini pian lasc "
        "revo riti opposi disis",
        (
            r"(?:togli|tolga|toglie|cancell|elimin|rimuov|depenn)\w* (?:subito |per favore "
            r")?(?:dallelenco|dagli elenchi|dallarchivio)",
            r"non (?:mi |ci )?(?:chiam|richiam|contatt|telefon|disturb|cerc)\w+ (?:mai )?(?:piu|mai)(?: .*)?",
            r"(?:mai piu|non voglio che) (?:mi |ci )?(?:chiam|richiam|contatt|telefon)\w+",
            r"(?:togli|tolga|tolgan|toglie|cancell|elimin|rimuov|depenn)\w* (?:subito |per favore |pure "
            r")*(?:(?:mi )?"
            r"(?:dalla|da|dalle|dall|dal) (?:vostr\w |quest\w |su\w )?(?:list\w|elenco|elenchi|database|"
            r"sistema|"
            r"rubrica)|(?:il )?mio (?:numero|nome|contatto|nominativo)|i miei dati|questo numero)",
            r"(?:smett\w+|finite\w*|finiscila|piantate\w*|basta) (?:di |con |la con |la di )?(?:chiamar\w*|"
            r"telefonar\w*|disturbar\w*|contattar\w*|importunar\w*|(?:le |queste |quest |tutte queste )?"
            r"(?:chiamate|telefonate))",
            r"(?:niente|nessuna|non (?:voglio|desidero|vogliamo)) (?:piu )?(?:ricevere )?(?:piu "
            r")?(?:altr[ea] |le |"
            r"vostre |queste |piu )*(?:chiamat[ae]|telefonat[ae])(?! (?:dopo|prima|di|la|a|alle|oggi|"
            r"domani|in))",
            r"non (?:voglio|desidero|vogliamo) (?:piu )?(?:essere )?(?:piu )?(?:ri)?(?:chiamat|contattat|"
            r"disturbat)\w"
            r"(?! (?:dopo|prima|di|la|a|alle|oggi|domani|in|il))",
            r"(?:lasciate(?:mi|ci)|mi lasci|mi lasciate|lasciami|ci lasci) (?:in pace|stare|tranquill\w)",
            r"(?:revoco|ritiro) (?:il )?(?:mio )?consenso",
            r"registro delle opposizioni|disiscriv\w+",
        ),
        (
            r"non (?:mi |ci )?(?:chiami|chiamate|chiamatemi|chiamarmi|telefoni|telefonate|telefonatemi|"
            r"contattatemi|"
            r"contatti|contattate|richiami|richiamate|richiamatemi)",
        ),
        "oggi domani stasera adesso ora lunedi martedi mercoledi giovedi venerdi sabato domenica prima dopo "
        "durante mentre quando se sera mattina notte pomeriggio pranzo cena finche alle weekend",
    ),
    "pt": Words(
        r"pare|parem|parar|cancelar|sair|basta|chega|stop|descadastrar",
        "ligu liga ligo ligac ligue telef cham cont incom pertu chate remov reti tire_ tirem tira_ "
        "tiram apag exclu elim risq revo desca cancel deix paz_ sair mais",
        (
            r"(?:sair|fora) d(?:a|esta|essa) (?:vossa |sua |tua )?lista",
            r"nao (?:me )?(?:volte|voltem|torne|tornem) a (?:me )?(?:ligar|telefonar|contactar|contatar)\w*",
            r"(?:nunca|jamais|nao) (?:mais )?(?:me )?(?:ligu|telefon|contact|contat|incomod|perturb|"
            r"chatei)\w+ "
            r"(?:me )?(?:nunca )?mais(?: .*)?",
            r"(?:nunca|jamais) mais (?:me )?(?:ligu|telefon|contact|contat|incomod|perturb)\w*",
            r"nao (?:quero|desejo|queremos) (?:mais )?(?:receber )?(?:mais )?(?:nenhum\w? |as |suas |"
            r"estas |essas |"
            r"este tipo de )*(?:ligac\w+|chamadas?|telefonemas?)(?! (?:de manha|a noite|hoje|amanha|antes|"
            r"depois))",
            r"nao (?:quero|desejo) (?:mais )?(?:que me (?:liguem|ligue|contact\w+|contat\w+|telefon\w+)|ser "
            r"(?:mais )?(?:contactad|contatad|incomodad|perturbad)[oa])(?! (?:hoje|amanha|de|a|agora|antes))",
            r"(?:retir|remov|apagu|elimin|exclu|tir|risqu)(?:e|em|a|am|ir|ar|er) (?:por favor )?(?:(?:o "
            r")?(?:meu|"
            r"este|nosso) (?:numero|nome|contato|contacto|telefone)|(?:os )?meus dados|me (?:d[aeo]s?|"
            r"dessa|desta))"
            r"(?: .*)?",
            r"me (?:tir|remov|retir|exclu)(?:e|em|a|am) (?:d[aeo]s?|dessa|desta|imediatamente|logo)(?: .*)?",
            r"(?:pare|parem|para|deixe|deixem|parar) (?:de |com )(?:me )?(?:ligar|telefonar|chatear|"
            r"incomodar|"
            r"perturbar|contactar|contatar|(?:as|essas|estas) (?:ligacoes|chamadas))(?: .*)?",
            r"(?:me deixem?|deixem? me) em paz",
            r"(?:revogo|retiro|cancelo) (?:o )?(?:meu )?consentimento",
            r"descadastr\w+|cancelar? (?:a )?(?:minha )?inscricao|nao me perturbe",
        ),
        (
            r"nao (?:me )?(?:ligue|liguem|ligues|telefone|telefonem|contacte|contactem)(?: me)?(?: para "
            r"(?:mim|ca|"
            r"este numero))?",
        ),
        "hoje amanha agora segunda terca quarta quinta sexta sabado domingo manha noite tarde antes "
        "depois durante "
        "enquanto quando se almoco jantar fim",
    ),
    "nl": Words(
        r"stop(?: maar| ermee)?|stoppen|hou(?:d)? op|ophouden|afmelden|uitschrijven|genoeg|weg ermee",
        "niet nooi geen haal verw schra wis_ wist gooi stre stop_ stopt hou_ houd laat laten lijst "
        "bellij toest meld schri mij_ ons_ mijn trek",
        (
            r"bel(?:t|len)? (?:u |jullie |je )?(?:mij |me |ons |hier |ook |dit nummer |alstublieft |"
            r"alsjeblieft |aub )*"
            r"(?:niet|nooit)(?: meer| weer)(?: op| terug| naar dit nummer)?(?! (?:vandaag|morgen|vanavond|"
            r"voor|na))",
            r"(?:niet|nooit) (?:meer|weer) (?:te |op )?(?:bellen|opbellen|gebeld|contacteren|benaderen|"
            r"benaderd|"
            r"lastigvallen|lastiggevallen)(?! (?:vandaag|morgen|vanavond))",
            r"(?:wil|willen|wens|wensen) (?:ik |wij |we )?(?:echt )?(?:niet|nooit|geen)(?: meer| langer)? "
            r"(?:door "
            r"(?:u|jullie) )?(?:gebeld|opgebeld|benaderd|lastiggevallen|gecontacteerd)(?: te)?(?: worden)?"
            r"(?! (?:vandaag|morgen|op|in))",
            r"(?:wil |wens )?(?:ik )?geen (?:\S+ )?(?:telefoontjes|oproepen|belletjes|"
            r"verkooptelefoontjes)(?: meer)?"
            r"(?: ontvangen| krijgen)?(?: van (?:u|jullie))?(?! (?:in|op|voor|na|s|vandaag|morgen))",
            r"(?:haal|schrap|verwijder|wis|streep|gooi|haalt|verwijdert) (?:u )?(?:alstublieft |aub "
            r")?(?:mij|me|ons|"
            r"mijn (?:nummer|naam|gegevens|telefoonnummer)|dit nummer)(?: .*)?",
            r"(?:mij|me|ons|ons (?:telefoon)?nummer|mijn (?:telefoon)?nummer|mijn naam|mijn gegevens|dit "
            r"nummer) (?:alstublieft |"
            r"aub |graag |"
            r"(?:van|uit) \S+ \S+ )*(?:te )?(?:verwijderen|schrappen|wissen|af ?halen|halen|uitschrijven|"
            r"afmelden)",
            r"van (?:de|uw|jullie|je|die) (?:bel|contact|bellers)?lijst(?: af)?",
            r"(?:stop|stopt|stoppen|hou|houd|houdt) (?:u )?(?:nu |eens |eindelijk |op )*met (?:mij |me |"
            r"ons )?(?:te |dat )?"
            r"(?:ge)?(?:bel|opbel|lastig|contact)\w*",
            r"(?:laat|laten) (?:u |jullie )?(?:mij|me|ons) (?:nu |toch |alstublieft )*met rust",
            r"bel me niet (?:register|lijst)",
            r"(?:trek|intrekken) (?:ik )?(?:hierbij )?(?:mijn |de )?toestemming(?: in)?|toestemming "
            r"(?:intrekken|in te "
            r"trekken)",
            r"(?:meld|schrijf) (?:mij|me|ons) (?:maar )?(?:af|uit)",
        ),
        (
            r"bel(?:t|len)? (?:u |jullie )?(?:mij |me |ons )?(?:alstublieft |alsjeblieft |aub )?(?:niet|"
            r"nooit)(?: op| "
            r"terug)?",
            r"(?:mij|me|ons|hier)? ?(?:alstublieft |aub )?niet (?:meer )?(?:op)?bellen",
        ),
        "vandaag morgen vanavond vanmiddag overmorgen maandag dinsdag woensdag donderdag vrijdag zaterdag "
        "zondag nu "
        "voor na tijdens als wanneer terwijl savonds sochtends avond avonds ochtend weekend straks later "
        "werk "
        "etenstijd tot om",
    ),
    "pl": Words(
        r"stop|dosc|wystarczy|przestan|przestancie|rezygnuje|koniec|prosze przestac",
        "nie_ prze usun skre wykr wypi wyrz cofa wyco odwo zost daj_ dajc dac_ konie dosc zadn robi "
        "rezy list",
        (
            r"(?:wiecej|nigdy|juz) (?:wiecej |juz |nigdy |prosze )*(?:do (?:mnie|nas) |tu |tutaj |na ten "
            r"numer |juz |"
            r"prosze )*nie (?:dzwon\w*|telefon\w*|wydzwan\w*|kontakt\w*)(?! (?:dzis|dzisiaj|jutro|teraz|"
            r"przed|po|"
            r"wieczorem|rano))",
            r"nie (?:dzwon\w*|telefon\w*|wydzwan\w*|kontaktowac sie|niepoko\w*) (?:panstwo |pan |pani "
            r")?(?:do (?:mnie|"
            r"nas) |tu |tutaj |na ten numer |ze mna )*(?:juz )?(?:wiecej|nigdy|ponownie|juz)",
            r"(?:przestan|przestancie|przestac|przestanie) (?:pan |pani |panstwo )?(?:do mnie |tu |juz |"
            r"mnie |nas )*"
            r"(?:dzwon\w*|wydzwan\w*|telefon\w*|nek\w*|niepoko\w*)",
            r"(?:usun|usuncie|usunac|skresl\w*|wykresl\w*|wypisz\w*|wypisac|wyrzuc\w*) (?:prosze |panstwo "
            r")?(?:mnie|nas|"
            r"moj (?:numer|telefon)|moje (?:dane|nazwisko)|ten numer|numer)(?: .*)?",
            r"nie (?:chce|chcemy|zycze sobie|zyczymy sobie|wyrazam zgody na) (?:juz |wiecej |zadnych |od "
            r"panstwa |tych |"
            r"takich |otrzymywac |takiego |dalszego |waszych )*(?:telefon\w*|polacze\w*|dzwonieni\w*|"
            r"kontakt\w*)"
            r"(?! (?:dzis|dzisiaj|jutro|wieczorem|rano|przed|po))",
            r"nie (?:chce|zycze sobie)(?: juz| wiecej)? (?:zeby|zebyscie|aby|abyscie|by|byscie) "
            r"(?:panstwo |pan |pani |"
            r"ktos )?(?:do mnie |tu |wiecej )*(?:dzwon\w*|telefon\w*)(?! (?:dzis|dzisiaj|jutro|wieczorem|"
            r"rano))",
            r"(?:cofam|wycofuje|odwoluje) (?:swoja |moja )?zgode",
            r"(?:zostaw|zostawcie|zostawic|daj|dajcie|dac) (?:mnie|mi|nam|nas) (?:juz )?(?:w |swiety "
            r")?spok\w+",
            r"(?:koniec|dosc) (?:z )?(?:tymi |tych )?telefon\w+|zadnych (?:wiecej )?telefonow|list\w+ "
            r"robinsona",
            r"wypisuje sie|rezygnuje z (?:telefonow|kontaktu|polaczen)",
        ),
        (
            r"nie (?:dzwonic|dzwoncie|dzwon|telefonowac|telefonujcie)(?: do (?:mnie|nas)| na ten numer| "
            r"tutaj| tu)*",
        ),
        "dzis dzisiaj jutro teraz rano wieczorem poniedzialek wtorek srode sroda czwartek piatek sobote "
        "niedziele "
        "przed po weekend pozniej kiedy gdy tygodniu noc nocy",
    ),
    "hi": Words(
        r"band karo|bas karo|bas|ruko|stop|nahi chahiye calls?|बंद करो|बस करो|बस|रुको|बंद कीजिए",
        "mat_ na_ nahi nahin band_ bandh bund_ hata nikal dele remo kaat kat_ mita dnd_ मत_ न_ ना_ "
        "नही नहीं बंद_ हटा निका डिल काट मिटा",
        (
            r"(?:dobara|dubara|kabhi|kabhi bhi|aage se|aaj ke baad|phir se|fir se|firse|phirse|aainda|"
            r"ainda) (?:\S+ )"
            r"{0,4}?(?:call|phone|fon|kaal)s? (?:mat|na|nahi|nahin) (?:\S+)",
            r"(?:call|phone|fon|kaal)s? (?:mat|na|nahi|nahin) (?:kar\w*|kijiye\w*|kijiyega|kare\w*) "
            r"(?:dobara|dubara|"
            r"kabhi|aage se|phir se|again)",
            r"(?:call|phone|fon|kaal)s? (?:karna|karne|kerna) (?:band|bandh|bund) (?:kar\w*|kijiye|kijie|"
            r"ker\w*)(?: \S+)?",
            r"(?:call|phone|fon)s? (?:band|bandh) (?:kar\w*|kijiye|kijie)(?: \S+)?",
            r"(?:mera|mere|hamara|humara|ye|yeh|is) (?:number|naam|nambar|num) (?:ko )?(?:\S+ "
            r"){0,4}?(?:hata|nikal|delete|"
            r"remove|kaat|mita)\w*(?: \S+){0,2}",
            r"list (?:se|me se|mein se) (?:\S+ ){0,3}?(?:hata|nikal|remove|delete|kaat)\w*(?: \S+){0,2}",
            r"(?:pareshan|tang|disturb|paresan) (?:mat|na) (?:kar\w*|kijiye\w*)",
            r"(?:pareshan|tang|disturb|paresan) karna (?:band|chhod|chod)\w*(?: \S+){0,2}",
            r"dnd (?:pe|par|me|mein|list|activate|laga\w*|chalu|register)(?: \S+){0,3}",
            r"(?:aapke|apke|aapka|tumhare|ye|yeh|koi|aise|aur)? ?(?:call|calls|phone) (?:nahi|nahin) "
            r"(?:chahiye|chahie)",
            r"(?:दोबारा|दुबारा|कभी|आगे से|फिर से|आज के बाद) (?:\S+ ){0,4}?(?:कॉल|काल|फोन) (?:मत|ना|न|"
            r"नहीं) \S+",
            r"(?:कॉल|काल|फोन) (?:करना|करने) बंद \S+(?: \S+)?",
            r"(?:मेरा|मेरे|हमारा|यह|ये|इस) (?:नंबर|नम्बर|नाम) (?:\S+ ){0,4}?(?:हटा|निकाल|डिलीट|काट|"
            r"मिटा)\S*(?: \S+){0,2}",
            r"(?:लिस्ट|सूची) (?:में )?से (?:\S+ ){0,3}?(?:हटा|निकाल|डिलीट)\S*(?: \S+){0,2}",
            r"(?:परेशान|तंग|डिस्टर्ब) (?:मत|ना|न) \S+",
            r"(?:कॉल|काल|फोन) (?:नहीं|नही) चाहिए",
        ),
        (
            r"(?:call|phone|fon|kaal)s? (?:mat|na|nahi|nahin) (?:kar|karo|karna|kijiye|kijie|kariye|kare|"
            r"karen|karein|"
            r"kariyega|kijiyega|kiya karo|lagana|lagao)",
            r"mat (?:call|phone|fon) kar\w*",
            r"(?:कॉल|काल|फोन) (?:मत|ना|न) (?:करो|करना|कीजिए|कीजिये|करें|करे|करिए|करिये|करिएगा|कीजिएगा|"
            r"किया करो|करियेगा)",
        ),
        "abhi kal aaj parso raat subah shaam dopahar baad pehle jab tak office meeting somvar mangalvar "
        "budhvar "
        "guruvar shukravar shanivar ravivar itvar monday tuesday wednesday thursday friday saturday "
        "sunday tomorrow "
        "today अभी कल आज परसों रात सुबह शाम दोपहर बाद पहले जब तक सोमवार मंगलवार बुधवार गुरुवार शुक्रवार "
        "शनिवार रविवार",
    ),
    "sv": Words(
        r"sluta|stopp?|avregistrera|det racker|nej sluta",
        "inte aldri ej_ slut ta_ stry rade avre lamn lat_ aterk drar_ inga nix_ nixr nixl fran_",
        (
            r"ring(?:a|er|ing)? (?:inte|aldrig|ej) (?:mig |oss |hit |upp |det har numret |till mig "
            r")*(?:mer|igen|mera|"
            r"nagonsin)(?: igen)?(?! (?:idag|ikvall|i kvall|i dag))",
            r"(?:aldrig|inte) ringa (?:mig |oss |hit )*(?:mer|igen|mera)",
            r"sluta(?:r)? (?:upp )?(?:med )?(?:att )?(?:ringa|stora|trakassera|kontakta|era samtal)",
            r"(?:ta|stryk|radera|avregistrera) (?:bort )?(?:mig|oss|mitt (?:nummer|namn)|mina uppgifter|"
            r"vart nummer)"
            r"(?! (?:pa|till|med|upp|i hogtalaren))(?: .*)?",
            r"(?:vill|onskar) (?:inte|aldrig|ej) (?:langre |mer )?(?:bli |ha |fa )*(?:uppringd|kontaktad|"
            r"ringd|fler samtal|"
            r"era samtal|sana har samtal|att ni ringer)(?: mer| igen)?(?! (?:idag|ikvall|i kvall|pa|fore|"
            r"efter))",
            r"(?:lamna|lat) (?:mig|oss) (?:vara )?i ?fred",
            r"(?:aterkallar?|drar tillbaka) (?:mitt )?samtycke",
            r"inga (?:fler|mer) samtal|nix ?(?:registret|lista\w*|telefon)",
            r"(?:bort )?(?:mig )?fran (?:er|din|den har|ring)? ?lista\w*",
        ),
        (r"ring (?:mig |oss )?(?:inte|ej|aldrig)(?: mig| oss| hit| upp)*", r"inte ringa(?: mig| oss| hit)*"),
        "idag imorgon morgon dag nu ikvall kvall mandag tisdag onsdag torsdag fredag lordag sondag fore "
        "efter innan "
        "nar om kvallen helgen helg medan an forran senare",
    ),
    "da": Words(
        r"stop|hold op|afmeld|nu stopper i|det er nok",
        "ikke aldr hold_ stop_ slet fjer stry tag_ lad_ traek tilba robin liste",
        (
            r"ring (?:ikke|aldrig) (?:til mig |til os |mig op |op |her |hertil |til dette nummer "
            r")*(?:mere|igen)"
            r"(?! (?:i dag|i aften|i morgen))",
            r"(?:ikke|aldrig) ringe (?:til mig |til os |mig op |op |her )*(?:mere|igen)",
            r"(?:hold op|stop) (?:nu )?(?:med )?(?:at )?(?:ringe|kontakte|forstyrre|chikanere|de opkald|"
            r"jeres opkald)\w*",
            r"(?:slet|fjern|stryg|tag) (?:mig|os|mit (?:nummer|navn|telefonnummer)|mine (?:oplysninger|"
            r"data)|dette "
            r"nummer)(?! (?:med|pa|til|i hojttaler))(?: .*)?",
            r"(?:vil|onsker) (?:ikke|aldrig) (?:laengere |mere )?(?:at )?(?:ringes op|ringes til|"
            r"kontaktes|have flere opkald|"
            r"have jeres opkald|blive ringet op|blive kontaktet|have at i ringer)(?: mere| igen)?"
            r"(?! (?:i dag|i aften|i morgen|om|for|efter))",
            r"lad (?:mig|os) (?:nu )?(?:vaere )?i fred",
            r"(?:traekker|tilbagekalder) (?:hermed )?(?:mit )?samtykke(?: tilbage)?",
            r"ikke flere opkald|robinson ?listen?",
            r"(?:af|fra) (?:jeres|din|den) (?:ringe)?liste",
        ),
        (r"ring (?:ikke|aldrig)(?: til mig| til os| mig op| op| her)*",),
        "dag morgen nu aften mandag tirsdag onsdag torsdag fredag lordag sondag for efter nar hvis "
        "aftenen weekenden "
        "weekend senere inden mens",
    ),
    "fi": Words(
        r"lopeta|lopettakaa|seis|stop|riittaa|lopeta jo",
        "ala_ alka lope poist en_ jatt jata peru vedan listal ei_ puhelinm",
        (
            r"al(?:a|kaa) (?:enaa|ikina|koskaan|ikina enaa) (?:minulle |meille |tanne |tahan numeroon "
            r")*soit\w+",
            r"al(?:a|kaa) soit\w+ (?:minulle |meille |tanne |tahan numeroon |mulle )*(?:enaa|ikina|"
            r"koskaan|uudelleen|uudestaan)"
            r"(?! (?:tanaan|illalla|huomenna))",
            r"lopet(?:a|takaa|takaapa|tkaa) (?:tama |se |jo |nama |noi )*(?:soitt\w+|puhelu\w+|hairi\w+|"
            r"soitel\w+)",
            r"poista(?:kaa|isitteko|kaapa)? (?:minut|meidat|mut|numeroni|tietoni|nimeni|tama numero|"
            r"puhelinnumeroni)(?: .*)?",
            r"en halua (?:enaa )?(?:mitaan |teidan |naita |tallaisia )*(?:puheluita|soittoja|puheluja)(?: "
            r"enaa)?"
            r"(?! (?:illalla|aamulla|ennen|tanaan))",
            r"en halua (?:enaa )?(?:etta )?(?:minulle |tanne |te )*(?:soitetaan|soitatte|soiteta)(?: "
            r"enaa)?(?! huomenna| tanaan)",
            r"(?:jattakaa|jata|jattakaapa) (?:minut |meidat |mut )?rauhaan",
            r"(?:peruutan|perun|vedan pois) suostumukse\w+",
            r"(?:pois )?(?:teidan )?(?:soitto)?listalta\w*|ei enaa (?:puheluita|soittoja)|"
            r"puhelinmarkkinointikiel\w+",
        ),
        (r"al(?:a|kaa) soit\w+(?: minulle| tanne| meille| tahan numeroon| mulle)*",),
        "tanaan huomenna nyt illalla aamulla maanantaina tiistaina keskiviikkona torstaina perjantaina "
        "lauantaina "
        "sunnuntaina ennen kun kello viikonloppuna jos toissa myohemmin jalkeen",
    ),
    "cs": Words(
        r"stop|prestante|prestan|dost|konec|odhlasit|staci",
        "nevo nete neko neot neob prest vyma smaz odst vyra vysk odhl nech nepr dejte dej_ odvo beru_ "
        "zadn sezn",
        (
            r"(?:uz|nikdy|vic|vice) (?:mi |nam |me |sem |na toto cislo |prosim |uz |nikdy |vic "
            r")*ne(?:volej|telefonuj|"
            r"kontaktuj|otravuj|obtezuj)\w*(?! (?:dnes|zitra|vecer|rano|pred|po|ted))",
            r"nevolej\w* (?:mi |nam |sem |na toto cislo |prosim )*(?:uz|nikdy|vic|vice|vickrat|vicekrat|"
            r"znovu)"
            r"(?! (?:dnes|zitra|vecer))",
            r"prestan(?:te)? (?:mi |nam |uz |sem |me |nas |s temi )*(?:vol\w+|telefon\w+|otrav\w+|"
            r"obtezov\w+)",
            r"(?:vymaz|smaz|odstran|vyrad|vyskrtn|odhlas)\w* (?:si |prosim )?(?:me|mne|nas|moje? (?:\S+ "
            r")?(?:cislo|jmeno|udaje)|"
            r"me (?:cislo|jmeno|udaje)|to cislo|toto cislo|muj kontakt)(?: .*)?",
            r"(?:nechci|nechceme|neprejeme si|nepreju si|nepreji si) (?:uz |dalsi |zadne |vase |tyhle |"
            r"abyste |aby |mi |nam |"
            r"sem |dostavat )*(?:hovory|telefonaty|volani|volal\w*|telefonoval\w*|byt (?:kontaktovan\w*|"
            r"volan\w*))"
            r"(?! (?:dnes|zitra|vecer|rano|pred|po))",
            r"(?:nechte|dejte|nech|dej) (?:me|mi|nas|nam) (?:uz )?(?:na pokoji|pokoj)",
            r"(?:odvolavam|beru zpet) (?:svuj |muj )?souhlas",
            r"zadne dalsi (?:hovory|telefonaty)|(?:ze|z) (?:vaseho )?seznamu",
        ),
        (r"(?:mi |nam )?nevolej\w*(?: mi| nam| sem| na toto cislo)*",),
        "dnes zitra ted vecer rano dopoledne odpoledne pondeli utery stredu ctvrtek patek sobotu nedeli "
        "pred po kdyz "
        "pokud vikend pozdeji pres",
    ),
    "ro": Words(
        r"stop|opriti va|opriti|gata|ajunge|dezabonare|incetati",
        "nu_ nici scoa ster elim radia ince opri term lasa retr revo dezab lista liste",
        (
            r"nu (?:ma|ne|imi) (?:mai )?(?:suna\w*|contacta\w*|apela\w*|deranja\w*|telefona\w*) (?:\S+ "
            r")?niciodata",
            r"niciodata (?:sa )?(?:nu )?(?:ma |ne )?(?:mai )?(?:suna\w*|contacta\w*)",
            r"(?:scoate|scoateti|sterge|stergeti|elimina|eliminati|radiati) (?:va rog )?(?:ma|ne|mi|"
            r"numarul|numele|datele)"
            r"(?: .*)?",
            r"(?:incetati|opriti|terminati|opriti va|inceteaza) (?:sa |va |cu |din )*(?:ma |ne |mai |tot "
            r")*(?:suna\w*|deranja\w*|"
            r"apel\w*|telefo\w*|hartui\w*)",
            r"nu (?:mai )?(?:vreau|doresc|dorim|vrem) (?:sa )?(?:mai )?(?:fiu |primesc |primim |ma |ne |"
            r"mai )*(?:sunat\w*|"
            r"contactat\w*|apelat\w*|apeluri\w*|telefoane\w*|sunati|deranjat\w*)(?! (?:azi|maine|acum|"
            r"dupa|inainte|dimineata|"
            r"seara))",
            r"(?:lasati|lasa) (?:ma|ne) in pace",
            r"(?:imi )?(?:retrag|revoc) (?:consimtamantul|acordul)",
            r"dezabon\w+|(?:de pe|din) (?:aceasta |lista|listele)\s?(?:voastra|dumneavoastra)?",
        ),
        (
            r"nu (?:ma|ne|imi) (?:mai )?(?:sunati|suna|contactati|apelati|deranjati|telefonati)(?: aici| "
            r"la acest numar)?",
            r"nu mai (?:sunati|suna|apelati|telefonati)(?: aici| la acest numar)?",
        ),
        "azi maine acum diseara luni marti miercuri joi vineri sambata duminica inainte dupa cand daca "
        "dimineata seara "
        "weekend noaptea pana mai_tarziu",
    ),
    "el": Words(
        r"σταματα|σταματηστε|τελος|φτανει|διαγραφη|στοπ|stop|αρκετα",
        "μη_ μην_ σταμ διαγ βγαλ αφαι σβησ δε_ δεν_ αφησ ασε_ ανακ αποσ οχι_ μητρ λιστ",
        (
            r"μην? (?:με |μας |μου |εδω )*ξανα ?(?:καλ|παρ|παιρν|τηλεφων|ενοχλ|επικοινων)\w*",
            r"μην? (?:με |μας |μου )*(?:καλ|παρ|παιρν|τηλεφων|ενοχλ)\w* (?:ποτε )?(?:ξανα|ποτε|πια|αλλο)",
            r"(?:σταματα|σταματηστε|σταματησε|να σταματησετε) (?:πια )?(?:να |τα |τις )?(?:με |μας |μου "
            r")?(?:καλ|παιρν|τηλεφων|"
            r"ενοχλ|κλησ)\w*",
            r"(?:διαγραψ|βγαλ|αφαιρεσ|σβησ)\w+ (?:με|μας|τον αριθμο|το ονομα|το τηλεφωνο|τα στοιχεια|το "
            r"νουμερο)(?: .*)?",
            r"δεν? θελω (?:αλλα |αλλες |πια |να |με |μου |ξανα |λαμβανω )*(?:κλησεις|τηλεφωνηματα|καλειτε|"
            r"καλεσετε|παιρνετε|"
            r"παρετε|τηλεφωνειτε|ενοχλειτε|ξανακαλεσετε)(?! (?:αυριο|σημερα|τωρα|το|πριν|μετα))",
            r"(?:αφηστε|ασε|αφησε|ασ|ασετε) (?:με|μας) (?:πια )?(?:ησυχ\w+|σε ησυχια)",
            r"(?:ανακαλω|αποσυρω) (?:τη |την )?(?:συγκαταθεση|συναινεση)",
            r"οχι αλλα τηλεφωνηματα|οχι αλλες κλησεις|μητρωο (?:του )?αρθρου|απο (?:τη|την) λιστα",
        ),
        (
            r"μην? (?:με |μας |μου )*(?:καλειτε|καλεσετε|καλεσεις|παιρνετε|παιρνεις|παρετε|παρεις|"
            r"τηλεφων\w+|ενοχλ\w+)",
        ),
        "σημερα αυριο τωρα δευτερα τριτη τεταρτη πεμπτη παρασκευη σαββατο κυριακη πριν μετα βραδυ πρωι "
        "απογευμα μεσημερι "
        "οταν αν αργοτερα",
    ),
    "hu": Words(
        r"stop|eleg(?: volt)?|hagyja abba|hagyjak abba|leiratkozom|fejezze be|fejezzek be",
        "ne_ soha tobb hagy feje torol vegy tavol huzz nem_ vissz leir listar listaj",
        (
            r"ne (?:hiv\w+|keress\w*|telefonal\w*|zaklass\w*|zaklas\w*)(?: (?:engem|minket|fel|ide|ezen a "
            r"szamon|kerem))* "
            r"(?:tobbet|tobbe|tobbszor|soha|ujra|megint)(?! (?:ma|este))",
            r"(?:soha|tobbet|tobbe|tobbszor) (?:tobbet |tobbe |mar )?(?:engem |minket |ide )?ne (?:hiv\w+|"
            r"keress\w*|telefonal\w*|"
            r"zaklass\w*)(?! (?:ma|este))",
            r"(?:hagyja|hagyjak|hagyd|fejezze|fejezzek) (?:mar )?(?:abba|be) (?:mar )?(?:a |az |ezt "
            r")?(?:hiv\w+|telefon\w+|zaklat\w+)"
            r"(?: .*)?",
            r"(?:torolj\w*|vegye|vegyen\w*|vegyek|tavolits\w+|huzz\w+) (?:ki |le |el |mar )*(?:kerem "
            r")?(?:engem |minket |a |az )*"
            r"(?:szamomat|nevemet|telefonszamomat|adataimat|listarol|listajukrol|adatbazis\w*|"
            r"nyilvantartas\w*)",
            r"(?:hagyjon|hagyjanak|hagyj) (?:mar )?(?:engem |minket )?beken",
            r"nem (?:akarok|szeretnek|kerek|akarunk) (?:tobb |tobbet |semmilyen |ilyen |onoktol "
            r")*(?:hivast|hivasokat|telefont|"
            r"telefonhivast|telefonhivasokat)(?! (?:ma|este|reggel|holnap))",
            r"nem (?:akarom|szeretnem) (?:tobbet |mar )?hogy (?:tobbet |ujra |engem )*(?:hiv\w+|keress\w*|"
            r"telefonal\w*)"
            r"(?! (?:ma|este|reggel|holnap))",
            r"visszavonom (?:a )?(?:hozzajarul\w*|beleegyez\w*)",
            r"leiratkoz\w+|a listarol|a listajukrol",
        ),
        (
            r"ne (?:hivjon|hivjanak|hivj|hivjatok|hivogass\w*|hivogasson|hivogassanak|telefonaljon|"
            r"telefonaljanak)(?: engem| "
            r"minket| fel| ide| ezen a szamon| kerem)*",
        ),
        "ma holnap most este reggel delelott delutan hetfon kedden szerdan csutortokon penteken szombaton "
        "vasarnap elott "
        "utan amikor ha mikozben hetvegen kesobb munka",
    ),
}
"""By primary language subtag (ISO 639-1)."""
