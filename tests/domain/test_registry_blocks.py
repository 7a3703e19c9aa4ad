"""Numbers in blocks: nothing is lost, doubled or moved, however they come."""

from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.domain import registry_blocks
from campaign.domain.registry_blocks import BYTES, FEW, SIZE, Block, Blocks, changed, merged, pack

members = st.one_of(
    st.sets(st.integers(0, SIZE - 1), max_size=20),
    st.builds(
        lambda first, count, step: {(first + n * step) % SIZE for n in range(count)},
        st.integers(0, SIZE - 1),
        st.integers(FEW - 2, FEW + 40),
        st.sampled_from([1, 7, 33]),
    ),
)
numbers = st.lists(
    st.builds(
        lambda block, rest: block * SIZE + rest, st.integers(1_212_200, 1_212_205), st.integers(0, 9999)
    ),
    max_size=60,
)


@given(members)
def test_a_block_has_just_the_numbers_that_were_put_in(wanted: set[int]) -> None:
    block = pack(7, wanted)
    assert block.members() == wanted
    assert block.numbers == len(wanted)
    assert (block.bits is None) == (len(wanted) <= FEW)


def test_bits_stand_where_postgres_looks_for_them() -> None:
    block = pack(7, {0, 9, *range(5_000, 5_300)})
    assert block.bits is not None
    assert len(block.bits) == BYTES
    assert (block.bits[0], block.bits[1]) == (1, 2)


@given(members, members)
def test_two_parts_together_are_all_of_both(one: set[int], other: set[int]) -> None:
    assert merged(pack(7, one), pack(7, other)) == pack(7, one | other)


@given(members, members, members)
def test_changes_add_and_take_away(before: set[int], listed: set[int], gone: set[int]) -> None:
    assert changed(pack(7, before), listed, gone - listed) == pack(7, (before | listed) - (gone - listed))


@settings(deadline=None)
@given(st.lists(numbers, max_size=8), st.booleans())
def test_numbers_in_any_order_and_any_pieces_all_arrive(pieces: list[list[int]], ordered: bool) -> None:
    if ordered:
        whole = sorted(number for piece in pieces for number in piece)
        pieces = [whole[at : at + 10] for at in range(0, len(whole), 10)]
    wanted = {number for piece in pieces for number in piece}
    blocks, given_out = Blocks(), dict[int, Block]()

    def take(*, final: bool = False) -> None:
        for block in blocks.complete(final=final):
            assert not (ordered and block.block in given_out), "a block that is complete comes once"
            before = given_out.get(block.block)
            given_out[block.block] = merged(before, block) if before else block

    for piece in pieces:
        blocks.add(list(piece))
        take()
    take(final=True)
    assert {block * SIZE + rest for block, one in given_out.items() for rest in one.members()} == wanted


def test_numbers_in_no_order_are_given_out_when_they_are_too_many() -> None:
    blocks = Blocks()
    blocks.add([SIZE * 5])
    blocks.add([SIZE * 3])
    assert list(blocks.complete()) == []
    blocks.add([SIZE * 4] * (registry_blocks.MOST_OPEN + 1))
    assert [one.block for one in blocks.complete()] == [3, 4, 5]
