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


UNSPACED = {"han": ("\u4e00", 3000), "kana": ("\u3042", 80), "thai": ("\u0e01", 46)}


@pytest.mark.parametrize("script", UNSPACED)
def test_without_spaces_one_changed_character_of_sixty_is_found_and_other_reviews_are_not(script: str) -> None:
    first, size = UNSPACED[script]
    generator = np.random.default_rng(3)
    weights = 1 / np.arange(1, size + 1)  # some characters are frequent, as in any language

    def draw(count: int) -> str:
        signs = [chr(ord(first) + int(number)) for number in generator.choice(size, count, p=weights / weights.sum())]
        return "".join(signs[: count // 2]) + "，" + "".join(signs[count // 2 :]) + "。"

    reviews = [draw(int(generator.integers(55, 66)) - 2) for _ in range(1000)]
    changed = []
    for review in reviews:
        position = int(generator.integers(len(review)))
        changed.append(review[:position] + chr(ord(first) + int(generator.integers(size))) + review[position + 1 :])
    pairs = set(find_pairs([*reviews, *changed], 0.9))
    assert sum((number, number + 1000) in pairs for number in range(1000)) >= 950
    assert not find_pairs(reviews, 0.9)


def test_spaces_decide_by_the_script_of_most_letters() -> None:
    assert shingles("这部电影 good！") == {"这部", "部电", "电影", "影g", "go", "oo", "od"}  # four of eight
    assert shingles("a fine film 好") == {"a fine film", "fine film 好"}
    assert shingles("영화가 정말 좋았어요 또 볼게요") == {"영화가 정말 좋았어요", "정말 좋았어요 또", "좋았어요 또 볼게요"}
    assert shingles("好") == {"好"}
