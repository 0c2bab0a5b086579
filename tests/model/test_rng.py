"""Random streams: known answers of Random123, numpy's Philox, the map from words to deviates."""

import numpy as np
import pytest

from hpcepm.model.rng import (
    DROPPED,
    FLOW,
    INITIAL_STRESS,
    YIELDING,
    draw,
    first_words,
    philox,
    room_for_words,
    uniform,
    words_below,
)

ONES = 2**64 - 1
KNOWN = [  # kat_vectors of Random123, philox4x64 with 10 rounds
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (ONES,) * 4,
        (ONES,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], words: tuple[int, ...]
) -> None:
    assert philox(*map(np.uint64, counter), *map(np.uint64, key)) == words


def test_agrees_with_numpy_whose_counter_runs_one_ahead() -> None:
    for site, n, seed in ((5, 2, 7), (123456789, 1, ONES), (0, 3, 0)):
        counter = site + (n << 64) - 1
        expected = np.random.Philox(counter=counter, key=seed).random_raw(4)
        assert philox(site, n, 0, 0, np.uint64(seed), 0) == tuple(expected)


def test_uniform_is_never_0_or_1() -> None:
    assert uniform(np.uint64(0)) == 2.0**-54
    assert uniform(np.uint64(ONES)) == 1 - 2.0**-53


def test_a_draw_is_two_words_of_its_counter() -> None:
    words = philox(17, 4, INITIAL_STRESS, 0, np.uint64(9), 0)
    assert draw(17, 4, INITIAL_STRESS, np.uint64(9), 0) == (uniform(words[0]), uniform(words[1]))
    assert draw(17, 4, YIELDING, np.uint64(9), 0) != draw(17, 4, INITIAL_STRESS, np.uint64(9), 0)
    assert draw(17, 4, YIELDING, np.uint64(9), 0) != draw(17, 4, YIELDING, np.uint64(9), 1)


@pytest.mark.parametrize("n", [0, 1, 4, 7, 8, 9, 61, 64])
def test_words_of_many_sites_are_those_of_each(n: int) -> None:
    sites = np.random.default_rng(n).integers(0, 2**40, room_for_words(n))
    words = np.zeros(room_for_words(n), np.uint64)
    seed, realization, first = np.uint64(ONES - n), np.uint64(2**63 + n), 2**33
    first_words(first, sites, n, 12345678901, FLOW, seed, realization, words)
    one_by_one = [
        philox(np.uint64(first + site), np.uint64(12345678901), FLOW, 0, seed, realization)[0]
        for site in sites[:n].tolist()
    ]
    assert words[:n].tolist() == one_by_one


@pytest.mark.parametrize("chance", [0.0, 1e-18, 2.0**-54, 0.00995, 0.5, 1 - 2.0**-53, 1.0])
def test_words_below_a_chance_are_those_whose_deviate_is(chance: float) -> None:
    n = int(words_below(chance))
    near = {0, 1, 2**53 - 1, *(m for m in (n - 2, n - 1, n, n + 1) if 0 <= m < 2**53)}
    for m in near:
        word = (np.uint64(m) << DROPPED) + np.uint64(5)
        assert (m < n) == (uniform(word) < chance)
