"""Rows are measured, shortened and checked before the first step."""

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from training_data import FAMILIES, conversation, draw, random_rows, record, surveyed, write_rows

from harness import images
from harness.errors import RowError, UserError
from training._pictures import PictureTokens
from training.masks import EncoderSource
from training.rows import open_rows
from training.survey import Survey, SurveySettings, survey


@pytest.fixture(scope="module")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("rows"), 60)


@pytest.fixture
def qwen(tiny_models: dict[str, Path]) -> EncoderSource:
    return EncoderSource(str(tiny_models["qwen2_vl"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_lengths_are_those_of_the_encoded_rows(tiny_models, rows_file, tmp_path, family):
    source = EncoderSource(str(tiny_models[family]))
    made = surveyed(rows_file, source, tmp_path)
    rows, encoder = open_rows(str(rows_file)), source.load()
    for index in range(len(rows)):
        pictures = [images.load(ref, ("PNG",)).image for ref in rows[index].images]
        encoded = encoder.encode(rows[index], pictures)
        assert made.lengths[index] == len(encoded.ids)
        assert made.label_tokens[index] == sum(label != -100 for label in encoded.labels)
        assert made.pictures[index] == len(pictures)
        assert made.exchanges[index] == rows[index].exchanges
    assert made.counts["usable"] == made.counts["rows"] == 60
    assert made.counts["tokens"] == made.lengths.sum()


@pytest.mark.parametrize("family", FAMILIES)
def test_picture_tokens_follow_from_the_size_alone(tiny_models, family):
    pictures = EncoderSource(str(tiny_models[family])).load().pictures
    rng = random.Random(family)
    sizes = [(rng.randint(1, 400), rng.randint(1, 400)) for _ in range(120)]
    sizes += [(1, 1), (1, 150), (150, 1), (28, 28), (27, 29), (56, 56), (3, 3), (1000, 30)]
    for height, width in sizes:
        try:
            seen = len(pictures.process(draw(width, height)).ids)
        except RowError:
            with pytest.raises(RowError):
                pictures.count(height, width)
        else:
            assert pictures.count(height, width) == seen, (height, width)


@pytest.mark.parametrize("formula", [None, lambda *_, **__: 1 / 0, lambda *_, **__: 7])
def test_a_processor_without_a_right_formula_is_tried(tiny_models, formula):
    processor = EncoderSource(str(tiny_models["qwen2_vl"])).processor()
    kind = type(processor)
    named = {"_get_num_multimodal_tokens": formula}
    processor.__class__ = type(kind.__name__, (kind,), named)
    pictures = PictureTokens(processor)
    assert pictures.count(60, 90) == len(pictures.process(draw(90, 60)).ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_long_conversations_lose_whole_exchanges(tiny_models, tmp_path, family):
    source = EncoderSource(str(tiny_models[family]))
    draw(60, 60).save(tmp_path / "a.png")
    turns = ["<image>\nfirst", "one", "words " * 20, "two", "<image>", "three", "short", "four"]
    path = write_rows(
        tmp_path,
        [
            record(*turns, images=("a.png", "a.png")),
            record("<image>" + "long " * 300, "no", "a", "b", images=("a.png",)),
            record("short", "one"),
        ],
    )
    rows, encoder = open_rows(str(path)), source.load()
    sizes = [(60, 60)] * 2
    whole = [
        encoder.measure(rows[0].shortened(k), sizes[: 1 + (k > 2)]).length for k in (1, 2, 3, 4)
    ]
    assert whole == sorted(set(whole))
    for limit in (whole[0], whole[1] - 1, whole[1], whole[2] - 1, whole[2], whole[3] - 1, whole[3]):
        made = surveyed(path, source, tmp_path / str(limit), max_length=limit)
        kept = sum(length <= limit for length in whole)
        assert made.exchanges.tolist() == [kept, 0, 1]
        assert made.lengths[0] == whole[kept - 1] <= limit
        assert made.pictures[0] == 1 + (kept > 2)
        assert made.counts["shortened"] == (kept < 4)
        assert made.counts["left_out"] == 1
        assert made.usable.tolist() == [0, 2]
    with pytest.raises(UserError, match=r"no conversation .* fits into 16 tokens"):
        surveyed(path, source, tmp_path / "none", max_length=16)


def test_a_synthesizers_rows_keep_their_second_exchange_or_none(tiny_models, tmp_path):
    source = EncoderSource(str(tiny_models["qwen2_vl"]), "after_first")
    path = write_rows(
        tmp_path, [record("a", "b", "c", "d", "e", "f"), record("a", "b " * 60, "c", "d")]
    )
    encoder = source.load()
    limit = encoder.measure(conversation("a", "b", "c", "d"), []).length
    made = surveyed(path, source, tmp_path / "out", max_length=limit)
    assert made.exchanges.tolist() == [2, 0]


def test_bad_rows_are_named_before_the_first_step(tmp_path, qwen):
    draw(60, 60).save(tmp_path / "a.png")
    draw(300, 1).save(tmp_path / "thin.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    (tmp_path / "folder").mkdir()
    (tmp_path.parent / "outside.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "link.png").symlink_to(tmp_path.parent / "outside.png")
    bad = {
        "missing.png": "No such file",
        "../outside.png": "is not a path inside its folder",
        "/etc/passwd": "is not a path inside its folder",
        "link.png": "is a link out of its folder",
        "https://example.org/a.png": "is an address",
        "text.png": "is no picture",
        "torn.png": "cannot be decoded",
        "folder": "is not a file",
        "thin.png": "aspect ratio",
        "a\0.png": "is not a path",
    }
    good = record("<image>", "b", images=("a.png",))
    rows = [good, *(record("<image>", "b", images=(name,)) for name in bad), record("a"), good]
    path = write_rows(tmp_path, rows)
    with pytest.raises(UserError) as error:
        surveyed(path, qwen, tmp_path / "out")
    assert f"11 of 13 rows of {path} cannot be trained on: row 1: " in str(error.value)
    assert "and 8 more" in str(error.value)
    assert "problems.jsonl" in str(error.value.hint)
    found = [
        json.loads(line) for line in (tmp_path / "out/problems.jsonl").read_text().splitlines()
    ]
    assert [problem["row"] for problem in found] == list(range(1, 12))
    for problem, why in zip(found, [*bad.values(), "no assistant turn"], strict=True):
        assert why in problem["problem"]
    assert not (tmp_path / "out/survey.json").exists()
    write_rows(tmp_path, [good] * 2)
    assert surveyed(path, qwen, tmp_path / "out").counts["usable"] == 2
    assert not (tmp_path / "out/problems.jsonl").exists()


def test_only_a_sample_is_decoded_unless_all_are_asked_for(tmp_path, qwen):
    draw(60, 60).save(tmp_path / "a.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    rows = [record("<image>", "b", images=("a.png",))] * 600
    rows[301] = record("<image>", "b", images=("torn.png",))
    path = write_rows(tmp_path, rows)
    assert surveyed(path, qwen, tmp_path / "out").counts["decoded"] == 300
    with pytest.raises(UserError, match=r"row 301: image 'torn.png' cannot be decoded"):
        surveyed(path, qwen, tmp_path / "all", check_all=True)


def test_hostile_text_does_not_reach_the_terminal(tmp_path, qwen):
    path = write_rows(tmp_path, [record("<image>", "b", images=("\x1b[31m.png",))])
    with pytest.raises(UserError) as error:
        surveyed(path, qwen, tmp_path / "out")
    assert "\x1b" not in str(error.value)


def test_a_very_long_turn_is_measured(tmp_path, qwen):
    path = write_rows(tmp_path, [record("é word " * 16_000, "b"), record("a", "b")])
    began = time.process_time()
    made = surveyed(path, qwen, tmp_path / "out")
    assert time.process_time() - began < 20
    assert made.exchanges.tolist() == [0, 1]


def test_a_survey_is_made_once_for_the_same(tmp_path, rows_file, qwen):
    first = surveyed(rows_file, qwen, tmp_path)
    stamp = (tmp_path / "survey.npz").stat().st_mtime_ns
    again = surveyed(rows_file, qwen, tmp_path)
    assert (tmp_path / "survey.npz").stat().st_mtime_ns == stamp
    assert again.counts == first.counts == Survey.load(tmp_path).counts
    assert np.array_equal(again.lengths, first.lengths)
    shorter = surveyed(rows_file, qwen, tmp_path, max_length=70)
    assert shorter.key != first.key
    assert shorter.lengths.max() <= 70
    (tmp_path / "survey.json").write_text("{")
    assert surveyed(rows_file, qwen, tmp_path).counts == first.counts
    with pytest.raises(UserError, match="cannot be read"):
        Survey.load(tmp_path / "nowhere")


def test_other_processes_find_the_same(tmp_path, rows_file, qwen, monkeypatch, capfd):
    # A user's own modules in the current folder are not imported.
    (Path.cwd() / "random.py").write_text("raise RuntimeError('a trap')")
    monkeypatch.setattr("training.survey._FEW", 10)
    monkeypatch.setattr("training.survey._CHUNK", 16)
    rows = open_rows(str(rows_file))
    here = survey(rows, qwen, SurveySettings(6144, workers=0), tmp_path / "here")
    there = survey(rows, qwen, SurveySettings(6144, workers=1), tmp_path / "there")
    for name in ("lengths", "label_tokens", "exchanges", "pictures"):
        assert np.array_equal(getattr(here, name), getattr(there, name))
    assert here.counts == there.counts
    assert "Traceback" not in capfd.readouterr().err
