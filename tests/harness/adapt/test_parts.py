"""Parts of the loop that few recipes have: a synthesizer of one's own, lmms-eval's tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from adapt_recipes import InProcess, stages, write_recipe
from harness_helpers import Harness, picture
from lmms_world import write_own, write_stock

__all__ = ["stages"]
SEEDS = 12


def write_seed(folder: Path) -> Path:
    """Seed data of a synthesizer: pictures with a caption, a question and both answers."""
    folder.mkdir()
    lines = []
    for n in range(SEEDS):
        (folder / f"{n}.png").write_bytes(picture(100 + n))
        lines.append(
            {
                "image": f"{n}.png", "caption": f"A bowl with {n} beans.", "task": "count",
                "instruction": f"How many beans does bowl {n} hold?", "precise": str(n),
                "informative": f"The bowl holds {n} beans. So the answer is {n}.",
            }
        )  # fmt: skip
    path = folder / "seed.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def tuned(base: Path, seed: Path) -> dict[str, Any]:
    train = {
        "max_steps": 1, "global_batch": 2, "device_batch": 2, "max_length": 1024, "workers": 0,
    }  # fmt: skip
    seed_data = {"data": str(seed), "held_out": 0}
    return {
        "generator": "synthesizer",
        "sampling": {"max_new_tokens": 4},
        "tune": {
            "base_model": str(base), "seed_data": seed_data, "train": train,
            "engine": "transformers",
        },
    }  # fmt: skip


@pytest.mark.slow
def test_a_synthesizer_is_tuned_used_and_stands(
    harness: Harness, stages: InProcess, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    base, seed = tiny_models["qwen2_vl"], write_seed(tmp_path / "seed")
    recipe = write_recipe(tmp_path, base, synth=tuned(base, seed))
    before = harness("adapt", recipe, "--dry-run", "--json").json
    first = [line["stage"] for line in before["stages"][:3]]
    assert first == ["eval_base", "tune_synthesizer", "generate"]
    ran = harness("adapt", recipe, "--json")
    assert ran.code == 0, ran.err
    made = {stage["stage"]: stage for stage in ran.json["stages"]}
    assert [*made] == [
        "eval_base", "seed_data", "tune_synthesizer", "generate", "filter", "mix", "audit",
        "train", "eval",
    ]  # fmt: skip
    assert not any(stage["reused"] for stage in made.values())
    assert made["seed_data"]["rows_in"] == made["tune_synthesizer"]["rows_in"] == SEEDS
    record = json.loads((Path(made["generate"]["folder"]) / "stage.json").read_text())
    checkpoint = Path(made["tune_synthesizer"]["folder"]) / "checkpoint"
    assert Path(record["model"]["ref"]).resolve() == checkpoint.resolve()
    again = harness("adapt", recipe, "--json").json
    assert all(stage["reused"] for stage in again["stages"])

    lines = seed.read_text().replace("12 beans", "13 beans").splitlines()[:-1]
    seed.write_text("\n".join(lines))
    ran = harness("synth", recipe, "--stage", "tune", "--json")
    assert f"seed: other seed/data than {Path(made['seed_data']['folder']).name} had" in ran.err
    anew = {stage["stage"]: stage for stage in ran.json["stages"]}
    assert Path(anew["tune"]["path"]) != Path(made["tune_synthesizer"]["folder"])
    assert not anew["tune"]["reused"]
    assert anew["seed"]["rows_in"] == SEEDS - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_general_ability_is_measured_on_tasks_of_lmms_eval(
    harness: Harness, stages: InProcess, tiny_models: dict[str, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HARNESS_HUB_MIRROR", str(write_stock(tmp_path / "stock")))
    own = write_own(tmp_path / "own", broken=-1)
    retention = ["lmms_eval:pope", f"lmms_eval:{own}"]
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], eval={"retention": retention})
    plan = harness("adapt", recipe, "--dry-run", "--json").json
    rows = {line["stage"]: line["rows"] for line in plan["stages"]}
    assert rows["retention_base"] == rows["retention"] == 16, "eval.limit holds for each task"
    ran = harness("adapt", recipe, "--json")
    assert ran.code == 0, ran.err
    report = ran.json
    told = report["verdict"]["general_ability"]
    assert "lmms_eval:pope" in told
    assert "lmms_eval:shades" in told
    pair = report["comparisons"]["retention"]["pairs"][0]
    assert {column["task"] for column in pair["columns"]} >= {"lmms_eval:pope", "lmms_eval:shades"}
    commands = [command for command in stages.commands if "--data=sample" not in command]
    evaluated = [command for command in commands if command[0] == "eval"]
    assert len(evaluated) == 2, "the retention tasks' rows do not come from eval.data"
    page = Path("work/soup/recipe/report.md").read_text()
    assert "lmms_eval:pope" in page
