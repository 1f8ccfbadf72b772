"""Recipes: what is accepted, and how a mistake is told."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.recipes import Recipe, parse, read_recipe

FROM_THE_CONTRACT = """\
name: food-qwen2vl-2b
base_model: Qwen/Qwen2-VL-2B-Instruct
synth:
  pairs: data/image_caption_pairs.json      # messages+images JSON, JSONL, or a hub id
  images: data/images
  generator: synthesizer                     # or rules | text_llm | vision_llm
  synthesizer: AdaptLLM/visual-instruction-synthesizer
  filter: {model: meta-llama/Meta-Llama-3-8B}
  audit: [food]
train: {preset: qwen2_vl, stages: single, parallel: zero2}
eval:  {tasks: [food], retention: [lmms_eval:mmmu_val], compare_with: base}
sweep:
  two_stage:  {train.stages: two}
  no_filter:  {synth.filter: null, synth.answers: precise}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str, *overrides: str) -> str:
    with pytest.raises(UserError) as told:
        parse(Recipe, read_recipe(write(tmp_path, text), overrides))
    return told.value.message.replace(str(tmp_path), ".")


def test_the_contracts_recipe_is_read(tmp_path: Path) -> None:
    recipe = parse(Recipe, read_recipe(write(tmp_path, FROM_THE_CONTRACT)))
    assert recipe.synth is not None
    assert recipe.synth.filter is not None
    assert recipe.synth.filter.model == "meta-llama/Meta-Llama-3-8B"
    assert recipe.synth.synthesizer is not None
    assert recipe.synth.synthesizer.model == "AdaptLLM/visual-instruction-synthesizer"
    assert recipe.train is not None
    assert (recipe.train.preset, recipe.train.parallel) == ("qwen2_vl", "zero2")
    assert recipe.eval is not None
    assert recipe.eval.tasks == ("food",)
    assert recipe.sweep["two_stage"] == {"train.stages": "two"}


def test_overrides_go_through_what_was_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, FROM_THE_CONTRACT)
    changed = [
        "synth.filter.threshold=0.7",
        "train.lora.rank=8",
        "eval.data=sample",
        "synth.seed=3",
    ]
    recipe = parse(Recipe, read_recipe(path, changed))
    assert recipe.synth is not None
    assert recipe.synth.filter is not None
    assert (recipe.synth.filter.threshold, recipe.synth.seed) == (0.7, 3)
    assert recipe.train is not None
    assert recipe.train.lora is not None
    assert recipe.train.lora.rank == 8


def test_a_sweeps_overrides_leave_the_recipe_alone(tmp_path: Path) -> None:
    source = read_recipe(write(tmp_path, FROM_THE_CONTRACT))
    before = parse(Recipe, source)
    varied = parse(
        Recipe, source.with_values(source.values["sweep"]["no_filter"], "sweep.no_filter")
    )
    assert varied.synth is not None
    assert (varied.synth.filter, varied.synth.answers) == (None, "precise")
    assert parse(Recipe, source) == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: a\ntrain:\n  preset: qwen\n", "line 3: train.preset: input should be"),
        ("name: a\ntrain:\n  lr: -1\n", "line 3: train.lr: input should be greater than 0"),
        ("name: a\ntrain:\n  epoch: 1\n", "line 3: train.epoch is unknown; did you mean epochs?"),
        ("name: a\nsynht: {}\n", "line 2: synht is unknown; did you mean synth?"),
        ("train: {}\n", "name is missing"),
        ("name: a\nsynth:\n  generator: rules\n", "line 2: synth.pairs is missing"),
        ("name: a\nsynth:\n  pairs: x\n", "line 2: synth: generator synthesizer needs"),
        (
            "name: a\nsynth:\n  pairs: x\n  generator: text_llm\n",
            "line 2: synth: generator text_llm needs `text_llm: MODEL`",
        ),
        (
            "name: a\nsynth:\n  pairs: x\n  generator: rules\n  filter:\n    modle: y\n",
            "line 6: synth.filter.modle is unknown; did you mean model?",
        ),
        (
            "name: a\ntrain: {global_batch: 7, device_batch: 2}\n",
            "line 2: train: global_batch 7 cannot be divided by 2",
        ),
        ("name: a\ntrain: {epochs: 1, max_steps: 2}\n", "line 2: train: give epochs or max_steps"),
        ("name: ../up\ntrain: {}\n", "line 1: name: must be letters"),
        ("name: a\ntrain: {lr: .inf}\n", "line 2: train.lr: input should be a finite number"),
        ("name: a\ntrain: qwen2_vl\n", "line 2: train: should hold names and values"),
        ("name: a\ntrain: {}\nsweep: {a: two}\n", "line 3: sweep.a: should hold names and values"),
        ("name: a\ntrain: {}\nsweep: {on: {}}\n", "line 3: True is no name: put it in quotes"),
        ('name: a\nbase_model: "x/y\\0"\n', "line 2: base_model: 'x/y\\x00' holds a character"),
        ('name: a\neval: {tasks: ["\\ud800"]}\n', "line 2: eval.tasks.0: '\\ud800' holds"),
        ("name: a\n", "has none of synth, train and eval"),
        ("name: a\nname: b\ntrain: {}\n", "line 2: name stands twice"),
        ("name: a\ntrain: [1\n", "is not YAML"),
        ("- a\n", "holds no recipe"),
        ("", "holds no recipe"),
        ("name: a\ntrain: !!python/object/apply:os.system ['true']\n", "is not YAML"),
        ("name: a\ntrain: &x {lora: *x}\n", ""),
        ("name: a\ntrain: " + "[" * 400 + "]" * 400 + "\n", "nested too deeply"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "name: a\ntrain:\n  lr: x\n  seed: y\neval:\n  limit: 0\n")
    assert [f"line {n}" in told for n in (3, 4, 6)] == [True, True, True]
    assert "eval.tasks is missing" in told


@pytest.mark.parametrize("override", ["train", "=3", "train..lr=1", "train.lr=[", "name.x=1"])
def test_wrong_overrides(tmp_path: Path, override: str) -> None:
    assert "--set" in refusal(tmp_path, FROM_THE_CONTRACT, override)


def test_no_such_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_recipe(tmp_path / "bytes.yaml")


@example("0[:")
@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UserError):
        assert parse(Recipe, read_recipe(path)).name
