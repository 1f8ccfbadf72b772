"""Sweeps are read and checked before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.adapt._variants import Variant, read_variants
from harness.errors import UserError
from harness.recipes import read_recipe

RECIPE = """\
name: soup
base_model: some/model
synth:
  pairs: pairs.jsonl
  generator: rules
train: {preset: qwen2_vl}
eval: {tasks: [food]}
"""


def variants(tmp_path: Path, sweep: str = "", *overrides: str) -> list[Variant]:
    path = tmp_path / "soup.yaml"
    path.write_text(RECIPE + sweep)
    return read_variants(read_recipe(path, overrides))


def refusal(tmp_path: Path, sweep: str) -> str:
    with pytest.raises(UserError) as told:
        variants(tmp_path, sweep)
    return told.value.message


def test_a_recipe_without_sweep_is_its_only_variant(tmp_path: Path) -> None:
    (only,) = variants(tmp_path)
    assert (only.name, only.candidate) == ("recipe", "soup")
    assert "sweep" not in only.values


def test_the_recipe_comes_first_and_the_others_override(tmp_path: Path) -> None:
    sweep = "sweep:\n  two: {train.stages: two}\n  bare: {synth.filter: null}\n"
    found = variants(tmp_path, sweep, "train.seed=7")
    assert [each.name for each in found] == ["recipe", "two", "bare"]
    assert [each.candidate for each in found] == ["soup", "soup-two", "soup-bare"]
    assert found[1].recipe.train is not None
    assert (found[1].recipe.train.stages, found[1].recipe.train.seed) == ("two", 7)
    assert "stages" not in found[0].values["train"]


@pytest.mark.parametrize("nothing", ["{}", ""])
def test_a_variant_without_overrides_stands_for_the_recipe(tmp_path: Path, nothing: str) -> None:
    found = variants(tmp_path, f"sweep:\n  two: {{train.stages: two}}\n  ours: {nothing}\n")
    assert [each.name for each in found] == ["two", "ours"]
    assert found[1].candidate == "soup"


def test_every_mistake_is_told_with_the_line_of_its_override(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        "sweep:\n  a: {train.lr: -1}\n  b:\n    synth.filter: {modle: x}\n  c: {train.epoch: 1}\n",
    )
    assert "sweep.a: " in told
    assert "line 9: train.lr: input should be greater than 0" in told
    assert "line 11: synth.filter.modle is unknown; did you mean model?" in told
    assert "line 12: train.epoch is unknown; did you mean epochs?" in told


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("sweep:\n  a: {name: other}\n", "line 9: sweep.a: name cannot be overridden"),
        ("sweep:\n  a: {trian.lr: 1}\n", "did you mean 'train'?"),
        ("sweep:\n  ../a: {train.seed: 1}\n", "a variant's name is letters"),
        ("sweep:\n  mix-0123abcd: {train.seed: 1}\n", "a variant's name is letters"),
        ("sweep:\n  recipe: {train.seed: 1}\n", "take another name"),
        ("sweep:\n  a: {base_model.x: 1}\n", "base_model holds no names"),
        ("sweep: [a]\n", "line 8: sweep"),
    ],
)
def test_what_no_variant_may_be(tmp_path: Path, sweep: str, said: str) -> None:
    assert said in refusal(tmp_path, sweep)
