"""The names under which people's exports carry our fields, in any case, spacing and several languages."""

import re
import unicodedata

NUMBER_FIELDS = ("phone", "phone_2", "phone_3", "phone_4", "phone_5")
FIELDS = (
    *NUMBER_FIELDS,
    "zone",
    "state",
    "postal_code",
    "country",
    "party",
    "consent",
    "consent_at",
    "consent_source",
    "do_not_call",
    "external_id",
)
"""Our own fields; every other column becomes a variable."""

_PHONES = """
    phone phonenumber phoneno phonenum telephone telephonenumber telephoneno tel telno telnumber mobile
    mobileno mobilenumber mobilephone cell cellphone cellnumber cellphonenumber contactnumber contactno
    contactphone primaryphone mainphone workphone businessphone homephone directphone officephone dayphone
    msisdn e164 phonee164 telefon telefonnummer telefonnr handy handynummer mobil mobilnummer mobiltelefon
    rufnummer telefono numerodetelefono telefonomovil movil celular telefone numerodetelefone telemovel
    numerodetelephone portable telephoneportable telefoon telefoonnummer mobiel cellulare numeroditelefono
    tlf phonetocall numbertocall
"""
_SECOND = "secondphone secondaryphone altphone alternatephone alternativephone otherphone backupphone"
_OTHERS = {
    "zone": "zone timezone tz timezonename ianatimezone localtimezone zeitzone fuseauhoraire zonahoraria",
    "state": "state region province stateprovince stateregion statecode bundesland estado provincia",
    "postal_code": "postalcode zip zipcode zip5 postcode plz postleitzahl codepostal codigopostal",
    "country": "country countrycode countryiso land pays pais",
    "party": "party partytype consumerorbusiness",
    "consent": "consent consentlevel consenttype consentstatus",
    "consent_at": "consentat consentdate consentedat consentgivenat consentedon optindate",
    "consent_source": "consentsource optinsource",
    "do_not_call": "donotcall donotcallme donotcontact dontcall nocall optout optedout optoutstatus "
    "unsubscribed dnc dncflag dncstatus dnd nichtanrufen nollamar nepasappeler",
    "external_id": "externalid id contactid customerid crmid leadid recordid",
}
_VARIABLES = {
    "first_name": "firstname fname givenname forename vorname prenom nombre voornaam",
    "last_name": "lastname lname surname familyname nachname nom apellido apellidos cognome sobrenome "
    "achternaam",
}


def header_key(header: str) -> str:
    """A header without case, accents, spacing and punctuation: "Téléphone n°" → "telephonen"."""
    plain = unicodedata.normalize("NFKD", header.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in plain if not unicodedata.combining(c) and c != "°"))


ALIASES: dict[str, str] = {word: field for field, words in _OTHERS.items() for word in words.split()}
"""Header key → field of ours."""
for _word in _PHONES.split():
    ALIASES[_word] = ALIASES[_word + "1"] = "phone"
    for _n in range(2, 6):
        ALIASES[f"{_word}{_n}"] = f"phone_{_n}"
for _word in _SECOND.split():
    ALIASES[_word] = "phone_2"

VARIABLES: dict[str, str] = {word: name for name, words in _VARIABLES.items() for word in words.split()}
"""Header key → variable, where several headings mean one thing in every script."""
