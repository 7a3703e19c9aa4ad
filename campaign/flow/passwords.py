"""Password hashes: argon2id, computed beside the loop that holds conversations.

Cost parameters are OWASP's first choice for argon2id (Password Storage Cheat Sheet: 19 MiB, 2 passes, one
lane): about 20 ms of one core, which a guesser pays as well.
"""

import asyncio
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

AT_ONCE = 2
"""Hashes computed at the same time: a flood of sign-ins must not take the machine from the calls."""
MEMORY_KIB = 19_456
PASSES = 2

DECOY = "$argon2id$v=19$m=19456,t=2,p=1$Y2FtcGFpZ24gZGVjb3kgMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""Checked for users who don't exist, so that the answer takes as long. No password is known to match."""


class Passwords:
    """Makes and checks hashes.

    Args:
        salt: gives 16 fresh random bytes.
    """

    def __init__(self, salt: Callable[[], bytes]) -> None:
        self._salt = salt
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """The hash to keep, with its salt and cost in it."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password, salt=self._salt())

    async def match(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one of a hash; None: of nobody, which takes as long to say."""
        async with self._turns:
            same = await asyncio.to_thread(self._verify, kept or DECOY, password)
        return same and kept is not None

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(kept)
