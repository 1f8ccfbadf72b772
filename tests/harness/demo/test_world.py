"""The toy worlds: texts, pictures, files; and that training never sees what is evaluated."""

import io
import json
import re
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from harness.demo.world import _words as words
from harness.demo.world import write_pairs, write_seed
from harness.demo.world._domain import (
    HAND_MADE,
    PLAIN,
    SCAN_WORDS,
    random_domain,
    random_facts,
    random_told,
    scan_told,
)
from harness.demo.world._files import TASKS, sample_pixels, scan_pairs, seed_rows
from harness.demo.world._language import (
    ASPECTS,
    any_question,
    caption,
    closed_question,
    fact,
    statement,
    unsettled_question,
)
from harness.demo.world._picture import draw
from harness.errors import UserError
from harness.images import pixel_hash
from tasks.sample import sample_records
from tasks.sample import scan as scans


def every_word() -> list[str]:
    lists = (words.KINDS, words.THINGS, words.VIEWS, words.BANDS, words.MARKS)
    return [word for names in (*lists, words.NUMBERS, words.SIDES) for word in names]


def test_no_word_holds_a_yes_or_a_no() -> None:
    assert [word for word in every_word() if "no" in word or "yes" in word] == []


def test_a_word_has_one_place() -> None:
    kinds = (words.KINDS, words.THINGS, words.VIEWS, words.BANDS, words.MARKS)
    assert all(len(set(names)) == len(names) for names in kinds)


def test_a_scan_is_described_as_the_samples_world_describes_it() -> None:
    rng = Random(0)
    for _ in range(200):
        scan = scans.random_scan(rng)
        assert caption(scan_told(scan)) == scans.caption(scan)


def test_only_the_target_domain_has_its_words() -> None:
    rng = Random(0)
    for domain in (*HAND_MADE, PLAIN, *(random_domain(rng) for _ in range(300))):
        spoken = {domain.view, domain.band, domain.mark, *domain.kinds, *domain.things}
        assert not spoken & SCAN_WORDS


def test_closed_answers_are_right() -> None:
    rng = Random(0)
    for _ in range(500):
        told = random_told(rng)
        for aspect in ASPECTS:
            asked = closed_question(told, aspect, words.KINDS, rng)
            said = statement(told, aspect)
            if aspect == "mark":
                assert (asked.precise, asked.informative) == (fact(told, "mark"), said)
            else:
                named = fact(told, aspect) in re.findall(r"\w+", asked.instruction)
                assert (asked.precise == "yes") == named
                assert asked.informative.startswith(f"{said[:-1]} indeed." if named else said[:-1])
                assert (", not " in asked.informative) != named


def test_a_statement_of_presence_never_holds_a_no() -> None:
    rng = Random(0)
    for _ in range(500):
        told = random_told(rng)
        for aspect in ("kind", "count", "side", "mark"):
            if aspect != "mark" or told.marked:
                assert "no" not in statement(told, aspect)


def test_kinds_of_questions_are_even() -> None:
    rng = Random(0)
    told = random_told(rng)
    tasks = [any_question(told, words.KINDS, rng).task for _ in range(7_000)]
    counts = {task: tasks.count(task) for task in set(tasks)}
    assert len(counts) == 7
    assert all(850 < count < 1_150 for count in counts.values())
    assert unsettled_question(told, rng).task == "unsettled"


def test_pictures_follow_from_facts_and_seed() -> None:
    rng = Random(0)
    facts = random_facts(HAND_MADE[0], rng)
    image = draw(facts, Random(1))
    assert image.size == (56, 56)
    assert pixel_hash(image) == pixel_hash(draw(facts, Random(1)))
    assert pixel_hash(image) != pixel_hash(draw(facts, Random(2)))


def test_training_pictures_are_not_the_samples() -> None:
    """Hashed from the drawn pictures and, apart from `sample_pixels`, from the rows' own bytes."""
    held_out = {
        pixel_hash(Image.open(io.BytesIO(data)).convert("RGB"))
        for task in TASKS
        for record in sample_records(task)
        if isinstance(data := record["image"], bytes)
    }
    assert held_out == sample_pixels()
    assert len(held_out) == 67
    for seed in range(3):
        drawn = {pixel_hash(pair.image) for pair in scan_pairs(1_000, seed)}
        assert len(drawn) > 990
        assert not drawn & held_out
    assert not {pixel_hash(row.image) for row in seed_rows(1_000, 0)} & held_out


def test_another_seed_draws_others() -> None:
    first, second = ({pixel_hash(pair.image) for pair in scan_pairs(300, seed)} for seed in (0, 1))
    assert not first & second


def test_pairs_are_written_once(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "pairs", 12, seed=3)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [f"scan-{place:05d}" for place in range(12)]
    assert all((path.parent / row["image"]).is_file() for row in rows)
    stamp = path.stat().st_mtime_ns
    assert write_pairs(tmp_path / "pairs", 12, seed=3) == path
    assert path.stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="other data"):
        write_pairs(tmp_path / "pairs", 13, seed=3)


def test_what_a_killed_writer_left_is_written_anew(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "scan-00000.png").write_bytes(b"torn")
    path = write_pairs(folder, 2)
    assert Image.open(folder / "images" / "scan-00000.png").size == (56, 56)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_files_are_what_synthesis_reads(tmp_path: Path) -> None:
    from harness.recipes import SeedRecipe
    from synth._types import Reject
    from synth.pairs import open_pairs
    from synth.seed._rows import read_seed

    pairs = list(open_pairs(str(write_pairs(tmp_path / "pairs", 5))))
    assert len(pairs) == 5
    assert not any(isinstance(pair, Reject) for pair in pairs)
    seed = list(read_seed(SeedRecipe(data=write_seed(tmp_path / "seed", 40))))
    assert len(seed) == 40
    assert not any(isinstance(row, Reject) for row in seed)
