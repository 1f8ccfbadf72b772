"""The loss: independent of how a step is cut, computed where labels are, stopped when astray."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from harness_helpers import Harness
from training_data import FAMILIES, random_rows, record, write_rows
from training_runs import job_of, losses, stage_of, train_here, trainer_of, write_recipe

from harness.errors import UserError
from training.job import Job
from training.run import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("trainer"), 21)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_by_one_is_eight_at_once(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    # 21 rows, 8 a step: the epoch's last step has fewer micro-steps.
    series = [
        train_here(
            job_of(tmp_path / str(size), tiny_models[family], data, device_batch=size, max_steps=4)
        )
        for size in (1, 8)
    ]
    assert len(series[0]) == 4
    assert series[0] == pytest.approx(series[1], rel=2e-5)


def test_packed_is_padded(tiny_models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    packed, padded = (
        train_here(
            job_of(
                tmp_path / batching, tiny_models["qwen2_vl"], data, batching=batching,
                max_length=256, max_steps=4,
            )
        )
        for batching in ("packed", "random")
    )  # fmt: skip
    assert packed[0] == pytest.approx(padded[0], rel=1e-6)
    assert packed == pytest.approx(padded, rel=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_where_labels_are_give_the_same_gradients(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    import torch

    job = job_of(tmp_path / "run", tiny_models[family], data)
    found: list[tuple[float, dict[str, Any]]] = []
    widths: list[int] = []
    for full in (False, True):
        trainer = trainer_of(job, full_logits=full)
        head = trainer.model.get_output_embeddings()
        head.register_forward_hook(lambda _m, _a, out: widths.append(out.shape[:-1].numel()))
        batches = iter(trainer.get_train_dataloader())
        (batch,), labels = trainer.get_batch_samples(batches, 1, trainer.args.device)
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=labels)
        loss.backward()
        gradients = {
            n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None
        }  # fmt: skip
        found.append((loss.item(), gradients))
    (few, few_gradients), (all_, all_gradients) = found
    assert few == pytest.approx(all_, rel=1e-6)
    assert few_gradients.keys() == all_gradients.keys()
    largest = max(gradient.abs().max() for gradient in all_gradients.values())
    for name, gradient in all_gradients.items():
        assert torch.allclose(few_gradients[name], gradient, rtol=0, atol=1e-6 * largest), name
    assert widths[0] < widths[1]


def test_the_loss_is_transformers_own(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    trainer = trainer_of(job_of(tmp_path / "run", tiny_models["qwen2_vl"], data))
    batches = iter(trainer.get_train_dataloader())
    (batch,), labels = trainer.get_batch_samples(batches, 1, trainer.args.device)
    ours = trainer.compute_loss(trainer.model, batch, num_items_in_batch=labels)
    assert ours.item() == pytest.approx(trainer.model(**batch).loss.item(), rel=1e-6)


def test_gradient_checkpointing_changes_nothing(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    series = [
        train_here(
            job_of(
                tmp_path / str(kept), tiny_models["mllama"], data, gradient_checkpointing=kept,
                freeze=("vision_encoder", "projector"),
            )
        )
        for kept in (True, False)
    ]  # fmt: skip
    assert series[0] == pytest.approx(series[1], rel=1e-6)


def test_no_number_ends_it_and_saves_nothing(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(
        tmp_path / "run", tiny_models["qwen2_vl"], data, lr=1e30, lr_vision_encoder=1e30,
        max_grad_norm=1e9, save_every=1, max_steps=9,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"(loss|norm) is (nan|inf) at step") as stopped:
        train(job)
    assert "lower lr" in (stopped.value.hint or "")
    assert not job.checkpoint.exists()
    last = len(losses(job.folder))
    assert 1 <= last < 9
    (state,) = job.states.iterdir()
    assert state.name == f"checkpoint-{last}"
    assert json.loads((state / "whole.json").read_text())["step"] == last


def test_a_picture_that_goes_missing_costs_its_row(
    tiny_models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = random_rows(tmp_path, 8, text_only=0.0)
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, max_steps=2)
    (tmp_path / "pictures" / "3.png").unlink()
    train_here(job)
    made = json.loads((job.folder / "training.json").read_text())
    assert made["skipped_rows"] == 1
    assert capsys.readouterr().out.count("row 3 could not be read") == 1


def test_nothing_is_reported_unless_asked_for(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data)
    trainer = trainer_of(job)
    assert trainer.args.report_to == []
    names = {type(callback).__name__ for callback in trainer.callback_handler.callbacks}
    assert names == {"DefaultFlowCallback", "LossLog"}


def test_the_record_says_what_was_done(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "run", tiny_models["llava_next"], data, max_steps=3)
    series = train_here(job)
    made = json.loads((job.checkpoint / "training.json").read_text())
    assert [entry["loss"] for entry in made["losses"]] == series
    assert made["steps"] == 3
    assert made["data"]["rows"] == 21
    assert made["data"]["fingerprint"]
    assert made["base_model"]["ref"] == str(tiny_models["llava_next"])
    assert made["settings"]["lr"] == 1e-3
    assert made["origins"]["lr"] == "recipe"
    rows_tokens = json.loads((job.folder / "survey.json").read_text())["counts"]["tokens"]
    assert made["tokens"] == rows_tokens  # three steps are an epoch
    assert made["parameters"]["llm"]["trained"] == made["parameters"]["llm"]["all"] > 0


def test_adapters_train_and_merge_into_the_same_model(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    base = tiny_models["qwen2_vl"]
    job = job_of(tmp_path / "run", base, data, lora={"rank": 4}, lr=1e-2, max_steps=6)
    series = train_here(job)
    assert series[-1] < series[0]
    batch = next(iter(trainer_of(job).get_train_dataloader()))
    inputs = {k: v for k, v in batch.items() if k not in ("labels", "skipped_rows")}

    def said(model: Any) -> Any:
        with torch.no_grad():
            return model.eval()(**inputs).logits

    plain = AutoModelForImageTextToText.from_pretrained(base)
    before = said(plain)
    adapted = said(PeftModel.from_pretrained(plain, job.folder / "adapter"))
    merged = said(AutoModelForImageTextToText.from_pretrained(job.checkpoint))
    assert torch.allclose(merged, adapted, atol=1e-3 * adapted.std())
    assert not torch.allclose(merged, before, atol=1e-1 * before.std())


def test_adapters_alone_are_kept_on_request(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "run", tiny_models["mllama"], data, lora={"merge": False})
    train_here(job)
    assert (job.checkpoint / "adapter_model.safetensors").is_file()
    assert not (job.checkpoint / "model.safetensors").exists()


def test_a_base_in_16_bits_gives_a_checkpoint_in_16_bits(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText, AutoProcessor

    base = tmp_path / "half"
    for kind, extra in ((AutoModelForImageTextToText, {"dtype": "bfloat16"}), (AutoProcessor, {})):
        kind.from_pretrained(tiny_models["qwen2_vl"], **extra).save_pretrained(base)
    data = write_rows(tmp_path, [record("What is in the image?", "Soup.")] * 8)
    job = job_of(tmp_path / "run", base, data, max_steps=1)
    train_here(job)
    dtypes = {w.dtype for w in load_file(job.checkpoint / "model.safetensors").values()}
    assert dtypes == {torch.bfloat16}


def test_adapters_alone_are_what_the_command_leaves(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, harness: Harness
) -> None:
    recipe = write_recipe(
        tmp_path, tiny_models["qwen2_vl"], data, max_steps=1, lora={"merge": False}
    )
    ran = harness("train", recipe, "--work", tmp_path / "work")
    assert ran.code == 0, ran.err
    folder = stage_of(tmp_path / "work")
    assert (folder / "checkpoint" / "adapter_model.safetensors").is_file()
    assert "has to be merged" in ran.out
    assert "evaluate it:" not in ran.out


def test_too_little_memory_of_a_gpu_is_told_with_what_to_do(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from training import run

    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data)

    def full(_job: Job) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    monkeypatch.setattr(run, "train", full)
    assert run.main([str(job.folder)]) == run.FAILED
    told = run.problem_of(job.folder)
    assert told is not None
    assert (
        told.message == "a GPU's memory is too small: CUDA out of memory. Tried to allocate 2 GiB."
    )
    assert "device_batch" in (told.hint or "")


def test_trackers_files_outlive_the_states(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from training.run import training_arguments

    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data)
    training_arguments(replace(job, settings=replace(job.settings, report_to=("tensorboard",))))
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", found := os.environ["TENSORBOARD_LOGGING_DIR"])
    assert Path(found).parent == job.folder


def test_job_survives_its_file(tiny_models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, lora={}, freeze=None)
    assert Job.load(job.folder) == job
