"""Texts by length, alphabet, words and hash."""

from __future__ import annotations

import numpy as np

from lockgate.features.profiles.texts import HASHES, shapes


def test_lengths_are_characters_and_alphabets_what_they_are_of() -> None:
    found = shapes(["", "ab", "Hello World", "äß", "N12-3", "\ud83d"], with_words=True)
    assert found.lengths.tolist() == [0, 2, 11, 2, 5, 1]
    assert found.alphabets.tolist() == [0, 1, 1 + 2 + 8, 32, 2 + 4 + 16, 32]


def test_a_word_is_the_same_in_any_case_and_between_any_blanks() -> None:
    found = shapes(["gate", "  GATE\n", "Gate", "late", "", " \t"], with_words=True)
    assert found.words[0] == found.words[1] == found.words[2] != found.words[3]
    assert found.words[4] == found.words[5] == HASHES, "no word at all"
    assert len(set(found.hashes.tolist())) == 6


def test_the_words_of_many_texts_fill_the_cells_that_words_by_themselves_do() -> None:
    vocabulary = [f"word{number}" for number in range(20)]
    alone = set(shapes(vocabulary, with_words=True).words.tolist())
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.permutation(vocabulary)) for _ in range(2000)]
    assert set(shapes(texts, with_words=True).words.tolist()) == alone


def test_a_text_is_shaped_alike_among_many_and_alone() -> None:
    texts = ["", "one two", "ÜÑ ✈", "x" * 10_000, "\x00", "one two"]
    together = shapes(texts, with_words=True)
    for place, text in enumerate(texts):
        alone = shapes([text], with_words=True)
        assert [int(own[place]) for own in together] == [int(own[0]) for own in alone]


def test_hashes_are_spread_and_stay_what_they_are() -> None:
    found = shapes([f"user{number:08d}" for number in range(64_000)], with_words=False)
    counts = np.bincount(found.cells, minlength=HASHES)
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    assert np.unique(found.hashes).size > 63_990
    assert shapes(["lockgate"], with_words=False).hashes.tolist() == [PINNED]


PINNED = 3883882116
"""Written into profiles, so it may never change while the engine is the same."""
