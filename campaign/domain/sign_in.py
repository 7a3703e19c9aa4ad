"""What a password must be, and how long somebody who fails to sign in must wait.

Lengths and the ban on composition rules are NIST SP 800-63B's (5.1.1.2): at least eight characters, better
fifteen; no "one digit, one capital". We ask for twelve, and refuse what guessers try first.
"""

import re
from datetime import timedelta

from campaign.domain.errors import BadInput

SHORTEST = 12
LONGEST = 200
"""Characters of a password: bounded, as hashing reads all of them."""
LONGEST_EMAIL = 254
LONGEST_NAME = 100

IDLE = timedelta(hours=2)
"""Somebody who does nothing for so long is signed out."""
ABSOLUTE = timedelta(hours=12)
"""One signs in anew at least so often: once a working day."""

TRIES_BY_USER = 5
TRIES_BY_ADDRESS = 20
"""Failures that cost nothing. A network address may stand for a whole office."""
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
"""The wait doubles with every further failure up to this. Longer ones would let a stranger keep somebody
out of work by failing on purpose."""
FORGOTTEN_AFTER = timedelta(days=1)
"""Failures so old count no more."""

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f<>\"']+@[^@\s\x00-\x1f\x7f<>\"']+\.[^@\s\x00-\x1f\x7f<>\"'.]+")
_GUESSED = ("password", "passwort", "123456", "qwerty", "letmein", "welcome", "changeme", "iloveyou")


def email_of(text: str) -> str:
    """An e-mail address as it is kept: trimmed, in lower case.

    Raises:
        BadInput: it cannot be one.
    """
    email = text.strip().lower()
    if len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise BadInput("This is no e-mail address.", "Write it as name@example.com.")
    return email


def name_of(text: str) -> str:
    """A person's name as it is kept.

    Raises:
        BadInput: it is empty, too long, or has characters that cannot be shown.
    """
    name = " ".join(text.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise BadInput(f"A name has 1 to {LONGEST_NAME} printable characters.", "Write the person's name.")
    return name


def check_password(password: str, email: str) -> None:
    """Refuse a password that is too short, too long or among the first to be guessed.

    Args:
        email: whose it is to be: the address is no secret.

    Raises:
        BadInput: with what is wrong and what to do.
    """
    if len(password) < SHORTEST:
        raise BadInput(
            f"The password is too short: it needs {SHORTEST} characters or more.",
            "A few words in a row are easy to remember and hard to guess.",
        )
    if len(password) > LONGEST:
        raise BadInput(f"The password is longer than {LONGEST} characters.", "Take a shorter one.")
    plain = password.lower()
    rest = plain
    for guess in (*_GUESSED, email, email.partition("@")[0]):
        if guess and len(guess) > 2:
            rest = rest.replace(guess, "")
    if len(set(plain)) < 5 or len(rest) < SHORTEST / 2:
        raise BadInput(
            "This password is easy to guess.", "Take a few words in a row that have nothing to do with you."
        )


def wait_after(failures: int, free: int) -> timedelta | None:
    """How long nobody may try again after so many failures in a row; None: not at all.

    Args:
        failures: in a row, the last one included.
        free: failures that cost nothing.
    """
    if failures < free:
        return None
    doublings = min(failures - free, 16)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
