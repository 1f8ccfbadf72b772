"""What is not trained on: which rows, the loss on them, and the checkpoint that it chooses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness_helpers import Harness
from training_data import FAMILIES, random_rows, record, write_rows
from training_runs import job_of, losses, stage_of, train_here, trainer_of, weights_of, write_recipe

from harness.errors import UserError
from training.batches import split
from training.job import Job, batches_of, split_of
from training.states import best, keep_last, newest, write_mark
from training.survey import Survey


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("held_out"), 21)


def looked(job: Job) -> list[dict[str, Any]]:
    record: dict[str, Any] = json.loads((job.folder / "training.json").read_text())
    return list(record["held_out_losses"])


@pytest.mark.parametrize(("share", "count"), [(0.1, 10), (0.001, 1), (0.5, 50), (0.98, 98)])
def test_a_share_is_drawn_once(share: float, count: int) -> None:
    usable = np.arange(0, 200, 2)
    trained, held = split(usable, share, seed=3)
    assert len(held) == count
    assert sorted([*trained, *held]) == usable.tolist()
    assert (split(usable, share, seed=3)[1] == held).all()
    assert share == 0.001 or (split(usable, share, seed=4)[1] != held).any()


def test_something_is_left_to_train_on() -> None:
    with pytest.raises(UserError, match=r"train\.held_out: 0.9 of 2 conversations leaves none"):
        split(np.arange(2), 0.9, seed=0)


def test_what_is_held_out_is_in_no_batch(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, held_out=0.2)
    survey = Survey.load(job.folder)
    trained, held = split_of(job.settings, survey)
    assert len(held) == 4
    batches = batches_of(job.settings, survey)
    for epoch in range(3):
        batches.set_epoch(epoch)
        assert sorted(i for batch in batches for i in batch) == trained.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_the_mean_over_all_labelled_tokens(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    import torch

    job = job_of(tmp_path / "run", tiny_models[family], data, held_out=0.4, max_steps=1)
    trainer = trainer_of(job)
    trainer.model_wrapped = trainer.model.train()
    found = trainer._held_out.loss(trainer)
    total = count = 0.0
    for row in split_of(job.settings, Survey.load(job.folder))[1].tolist():
        batch = trainer._collator([row])
        del batch["skipped_rows"]
        labels = int((batch["labels"][:, 1:] != -100).sum())
        with torch.no_grad():
            total += trainer.model(**batch).loss.item() * labels
        count += labels
    assert found == pytest.approx(total / count, rel=1e-5)
    assert trainer.model.training


def test_looking_changes_nothing(tiny_models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    other = random_rows(tmp_path, 5, seed=9)
    series = [
        train_here(
            job_of(
                tmp_path / name, tiny_models["qwen2_vl"], data, save_every=1,
                held_out=held_out, lora={"rank": 2, "dropout": 0.3},
            )
        )
        for name, held_out in (("without", None), ("with", str(other)))
    ]  # fmt: skip
    assert series[0] == series[1]


def overdone(folder: Path, base: Path, **settings: Any) -> Job:
    """A run whose loss on what is held out falls, then rises."""
    folder.mkdir(exist_ok=True)
    data = write_rows(folder, [record("Say it.", "Yes. lung lung lung")] * 8)
    other = write_rows(folder, [record("Say it.", "No small river")] * 3, "other.jsonl")
    wanted = {"lr": 1e-2, "max_steps": 8, "held_out": str(other), "choose": "best", **settings}
    return job_of(folder / "run", base, data, **wanted)


def test_the_best_state_becomes_the_checkpoint(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    base = tiny_models["qwen2_vl"]
    job = overdone(tmp_path / "whole", base, save_every=1)
    train_here(job)
    seen = looked(job)
    assert [entry["step"] for entry in seen] == list(range(1, 9))
    least = min(seen, key=lambda entry: entry["loss"])["step"]
    assert 1 < least < 8
    made = json.loads((job.checkpoint / "training.json").read_text())
    assert made["chosen_step"] == least
    shorter = overdone(tmp_path / "shorter", base, max_steps=least, choose="last")
    train_here(shorter)
    mine, theirs = weights_of(job.checkpoint), weights_of(shorter.checkpoint)
    assert all((mine[name] == theirs[name]).all() for name in theirs)


def test_a_stop_in_between_changes_no_choice(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    base = tiny_models["qwen2_vl"]
    whole = overdone(tmp_path / "whole", base, save_every=2)
    train_here(whole)
    job = overdone(tmp_path / "stopped", base, save_every=2)
    trainer = trainer_of(job)
    trainer._wants_stop = lambda: trainer.state.global_step == 5
    trainer.train()
    assert trainer.stopped
    state = newest(job.states)
    assert state is not None
    assert (state.step, state.held_out) == (5, None)
    train_here(job)
    assert losses(job.folder) == losses(whole.folder)
    assert looked(job) == looked(whole)


def test_the_best_state_stays(tmp_path: Path) -> None:
    for step, loss in ((2, 3.0), (4, 1.0), (6, 1.0), (8, 2.0), (9, None)):
        folder = tmp_path / "state" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        write_mark(folder, step=step, ranks=1, tokens=0, skipped=0, held_out=loss)
    root = tmp_path / "state"
    found = best(root)
    assert found is not None
    assert found.step == 4
    keep_last(root, 2, best_too=True)
    assert {p.name for p in root.iterdir()} == {"checkpoint-4", "checkpoint-8", "checkpoint-9"}
    keep_last(root, 2)
    assert {p.name for p in root.iterdir()} == {"checkpoint-8", "checkpoint-9"}
    assert best(tmp_path / "nothing") is None


def test_the_command_tells_what_was_chosen(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(
        tmp_path, tiny_models["qwen2_vl"], data, held_out=0.2, choose="best", save_every=1
    )
    planned = harness("train", recipe, "--work", tmp_path / "work", "--dry-run").out
    assert "train: 17 conversations of" in planned
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    assert "on 17 conversations" in ran.out
    assert "the checkpoint is step " in ran.out
    stage = json.loads((stage_of(tmp_path / "work") / "stage.json").read_text())
    assert (stage["rows_in"], stage["rows_out"]) == (21, 17)
    assert stage["rejects"] == {"held out": 4}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"held_out": 1.0}, "train.held_out: a share lies between 0 and 1"),
        ({"held_out": 0}, "train.held_out: a share lies between 0 and 1"),
        ({"held_out": "no.jsonl"}, "train.held_out: no such file: no.jsonl"),
        ({"choose": "best"}, "choose: best needs held_out"),
        ({"held_out": 0.99}, "train.held_out: 0.99 of 21 conversations leaves none"),
    ],
)
def test_what_cannot_be_held_out(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    harness: Harness,
    settings: dict[str, Any],
    told: str,
) -> None:
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, **settings)
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert told in ran.err
    assert "recipe.yaml, line" in ran.err


def test_bad_rows_of_the_other_file_are_named(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    bad = write_rows(tmp_path, [record("<image>What?", "Soup.", images=("gone.png",))], "bad.jsonl")
    recipe = write_recipe(tmp_path, tiny_models["qwen2_vl"], data, held_out=str(bad))
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 2
    assert "train.held_out: 1 of 1 rows of" in ran.err
    assert "row 0: image 'gone.png'" in ran.err
    assert "held_out/problems.jsonl" in ran.err
