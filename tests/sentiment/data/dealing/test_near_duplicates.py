"""Texts that are almost the same: the index against all pairs compared, and boilerplate."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from sentiment.data.dealing.near_duplicates import find_pairs, shingles, signatures, similarity
from tests.imports import ROOT


def text(*numbers: int) -> str:
    return " ".join(f"word{number}" for number in numbers)


def test_shingles_are_runs_of_three_normalised_words() -> None:
    assert shingles("The film -- was GOOD!") == {"the film was", "film was good"}
    assert shingles("Good!") == {"good"}
    assert similarity({"a", "b"}, {"b", "c"}) == pytest.approx(1 / 3)
    assert similarity(set(), set()) == 1.0


def test_one_changed_word_in_eighty_is_found_and_eight_are_not() -> None:
    original = list(range(80))
    one, eight = list(original), list(original)
    one[40] = 1000
    eight[::10] = range(1000, 1008)
    assert find_pairs([text(*original), text(*eight), text(*one)], 0.9) == [(0, 2)]


def test_the_threshold_itself_counts() -> None:
    first, second = text(*range(22)), text(*range(21))  # 20 and 19 shingles, 19 of them shared
    assert similarity(shingles(first), shingles(second)) == 0.95
    assert find_pairs([first, second], 0.95) == [(0, 1)]
    assert find_pairs([first, second], 0.9501) == []


def test_pairs_are_those_of_all_pairs_compared() -> None:
    generator = np.random.default_rng(7)
    originals = [generator.integers(300, size=generator.integers(3, 120)).tolist() for _ in range(60)]
    texts = [text(*numbers) for numbers in originals]
    texts += [text(*numbers[: -1 - int(generator.integers(3))]) for numbers in originals if len(numbers) > 20]
    generator.shuffle(texts)
    sets = [shingles(one) for one in texts]
    alike = {(a, b) for a, b in itertools.combinations(range(len(texts)), 2) if similarity(sets[a], sets[b]) >= 0.9}
    assert len(alike) > 20
    assert set(find_pairs(texts, 0.9)) == alike


def test_of_very_many_alike_each_is_paired_with_the_first() -> None:
    boilerplate = [text(*range(100), 1000 + number) for number in range(150)]
    pairs = find_pairs(["something else entirely, and short", *boilerplate], 0.9)
    assert {(1, later) for later in range(2, 151)} <= set(pairs)
    assert len(pairs) < 150 * 149 / 8  # far from all pairs
    assert all(first >= 1 for first, _ in pairs)


def test_signatures_are_the_same_in_every_process() -> None:
    texts = ["a film that was very good indeed", "another one", ""]
    program = f"from sentiment.data.dealing.near_duplicates import signatures; print(signatures({texts!r}).tolist())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(signatures(texts).tolist())
