"""Telephone numbers in blocks of ten thousand: as many numbers as one likes in as little room as they need.

A block holds the numbers that differ in their last four digits only (in North America: an area code and an
office code). It is kept as the list of those last digits while they are few, and else as a bit for each.
The whole North American plan has 640,000 blocks at the most, 0.9 GB of bits, however many numbers are in it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SIZE = 10_000
FEW = 256
"""Most numbers of a block that are kept as a list: two bytes each then, instead of 1,250 for the bits."""
BYTES = SIZE // 8
MOST_OPEN = 4_000_000
"""Numbers kept in memory at the most, some 0.3 GB: only files in no order come near it."""

_TO_DIGITS = bytes([48, 49, *([49] * 254)])


class Block(NamedTuple):
    """A block as it is stored: `few` in order, or `bits` (n is bit n % 8, from the right, of byte n // 8)."""

    block: int
    numbers: int
    few: tuple[int, ...] | None
    bits: bytes | None

    def members(self) -> set[int]:
        """The last four digits of its numbers."""
        if self.few is not None:
            return set(self.few)
        assert self.bits is not None
        whole = bin(int.from_bytes(self.bits, "little"))[:1:-1]
        return {n for n, digit in enumerate(whole) if digit == "1"}


def merged(one: Block, other: Block) -> Block:
    """What two parts of a block are together."""
    return changed(one, other.few, ()) if other.few is not None else _or(one, other)


def _or(one: Block, other: Block) -> Block:
    if one.few is not None:
        return changed(other, one.few, ())
    assert one.bits is not None
    assert other.bits is not None
    both = int.from_bytes(one.bits) | int.from_bytes(other.bits)
    return Block(one.block, both.bit_count(), None, both.to_bytes(BYTES))


def changed(block: Block, listed: Iterable[int], gone: Iterable[int]) -> Block:
    """A block with some numbers more and some less (by their last four digits); it may be empty then."""
    if block.few is not None:
        return pack(block.block, set(block.few).union(listed).difference(gone))
    assert block.bits is not None
    bits = bytearray(block.bits)
    for member in listed:
        bits[member >> 3] |= 1 << (member & 7)
    for member in gone:
        bits[member >> 3] &= ~(1 << (member & 7))
    numbers = int.from_bytes(bits).bit_count()
    made = Block(block.block, numbers, None, bytes(bits))
    return made if numbers > FEW else pack(block.block, made.members())


def pack(block: int, members: set[int]) -> Block:
    """A block of those last four digits (0 to 9,999), in what takes less room."""
    if len(members) <= FEW:
        return Block(block, len(members), tuple(sorted(members)), None)
    flags = bytearray(SIZE)
    for member in members:
        flags[member] = 1
    bits = int(flags.translate(_TO_DIGITS)[::-1], 2).to_bytes(BYTES, "little")
    return Block(block, len(members), None, bits)


class Blocks:
    """Numbers on their way into blocks.

    While they come in order, as registries sort them, a block is complete when the next has begun; of numbers
    in no order all blocks are kept open until they hold too many.
    """

    def __init__(self) -> None:
        self._open: dict[int, set[int]] = {}
        self._taken = 0
        self._highest = 0
        self._ordered = True

    def add(self, numbers: list[int]) -> None:
        """Take more numbers (E.164 without "+"); the list is sorted by this."""
        if not numbers:
            return
        numbers.sort()
        if numbers[0] < self._highest:
            self._ordered = False
        self._highest = max(self._highest, numbers[-1])
        at, end = 0, len(numbers)
        self._taken += end
        while at < end:
            block = numbers[at] // SIZE
            base = block * SIZE
            following = bisect_left(numbers, base + SIZE, at)
            members = {number - base for number in numbers[at:following]}
            if block in self._open:
                self._open[block] |= members
            else:
                self._open[block] = members
            at = following

    def complete(self, *, final: bool = False) -> Iterator[Block]:
        """Blocks that are ready to be stored; each is given once. One may come again, with more numbers, when
        the numbers are in no order.

        Args:
            final: no more numbers come: all of them.
        """
        if final or self._taken > MOST_OPEN:
            ready = sorted(self._open)
        elif self._ordered:
            last = self._highest // SIZE
            ready = sorted(block for block in self._open if block < last)
        else:
            ready = []
        if not self._ordered and not ready:
            return
        self._taken = 0
        for block in ready:
            yield pack(block, self._open.pop(block))
