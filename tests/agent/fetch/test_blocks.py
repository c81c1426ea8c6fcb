"""Blocks by time, over chains of every pace, with few headers."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fetch.blocks import BlockClock
from strategies.errors import IncompleteRead
from wallets.endpoints import Block


class Chain:
    """Headers by number, counted; before `readable` they cannot be read."""

    def __init__(self, timestamps: list[int], readable: int = 0) -> None:
        self.timestamps, self.readable, self.asked = timestamps, readable, 0

    def header(self, number: int) -> Block:
        self.asked += 1
        if number < self.readable:
            raise IncompleteRead(f"block {number}: no base fee")
        return Block(number, f"0x{number:064x}", self.timestamps[number], 1, ())

    def clock(self) -> BlockClock:
        latest = len(self.timestamps) - 1
        return BlockClock(Block(latest, f"0x{latest:064x}", self.timestamps[latest], 1, ()), self.header)


class Even:
    """A long chain of one pace with some slots missed, not kept in memory."""

    def __init__(self, blocks: int, seconds: int) -> None:
        self.blocks, self.seconds, self.asked = blocks, seconds, 0

    def at(self, number: int) -> Block:
        missed = number // 97
        return Block(number, f"0x{number:064x}", 1_600_000_000 + (number + missed) * self.seconds, 1, ())

    def header(self, number: int) -> Block:
        self.asked += 1
        return self.at(number)


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=60),
    st.integers(0, 30),
    st.lists(st.integers(-5, 700_000), min_size=1, max_size=8),
)
def test_the_last_block_at_a_time_is_found_wherever_one_can_be_read(steps: list[int], readable: int, asked: list[int]) -> None:
    timestamps = [1_000 + sum(steps[: at + 1]) for at in range(len(steps))]
    readable = min(readable, len(steps) - 1)
    chain = Chain(timestamps, readable)
    clock = chain.clock()
    for offset in asked:
        timestamp = 1_000 + offset
        if timestamp > timestamps[-1] or timestamp < timestamps[readable]:
            with pytest.raises(IncompleteRead):
                clock.last_at(timestamp)
        else:
            assert clock.last_at(timestamp).number == bisect_right(timestamps, timestamp) - 1


def test_a_year_of_hours_costs_few_headers_each() -> None:
    chain = Even(20_000_000, 12)
    clock = BlockClock(chain.at(20_000_000 - 1), chain.header)
    for hour in range(200):
        timestamp = 1_700_000_000 + hour * 3_600
        found = clock.last_at(timestamp)
        assert found.timestamp <= timestamp < chain.at(found.number + 1).timestamp
    assert chain.asked / 200 <= 5


def test_headers_that_go_back_in_time_are_refused() -> None:
    chain = Chain([100, 200, 900, 300, 400, 500, 600, 700])
    with pytest.raises(IncompleteRead, match="go back in time"):
        chain.clock().last_at(350)


def test_a_time_that_has_not_come_and_one_before_the_chain_are_refused() -> None:
    clock = Chain([100, 200, 300]).clock()
    with pytest.raises(IncompleteRead, match="no block of 301 yet"):
        clock.last_at(301)
    with pytest.raises(IncompleteRead, match="none is of 99"):
        clock.last_at(99)
