"""Training runs for tests: planned as the command does, trained here or in children."""

import json
from pathlib import Path
from typing import Any

from harness.recipes import TrainRecipe
from training.job import Job, losses_of
from training.launch import plan_training, prepare

# No warm-up, so that the first step moves something; no decay, so that only gradients do.
QUICK: dict[str, Any] = {
    "preset": "generic",
    "global_batch": 8,
    "device_batch": 4,
    "max_steps": 3,
    "lr": 1e-3,
    "lr_vision_encoder": 1e-4,
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "batching": "random",
    "workers": 0,
}


def job_of(folder: Path, base: Path, data: Path, **settings: Any) -> Job:
    """A job that is ready to be trained in `folder`."""
    wanted = {k: v for k, v in {**QUICK, **settings}.items() if v is not None}
    plan = plan_training(TrainRecipe(**wanted), base_model=str(base), data=data)
    return prepare(plan, plan.runs[-1], plan.base.folder, folder)


def trainer_of(job: Job, **more: Any) -> Any:
    """Its trainer, in this process."""
    from training.loading import load_model
    from training.run import make_trainer, training_arguments

    arguments = training_arguments(job)
    return make_trainer(job, load_model(job), arguments, **more)


def train_here(job: Job) -> list[float]:
    """Train in this process and write the checkpoint; gives the losses."""
    from training.finish import is_merging, merge
    from training.run import train

    assert train(job) == 0
    if is_merging(job):
        merge(job)
    return losses(job.folder)


def losses(folder: Path) -> list[float]:
    """The loss of every step."""
    return [entry["loss"] for entry in losses_of(folder)]


def write_recipe(folder: Path, base: Path, rows: Path, /, **settings: Any) -> Path:
    """A recipe for the command."""
    train = {**QUICK, "data": str(rows), **settings}
    path = folder / "recipe.yaml"
    lines = [f"name: tiny\nbase_model: {base}\ntrain:"]
    lines += [f"  {name}: {json.dumps(value)}" for name, value in train.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def stage_of(work: Path) -> Path:
    """The one folder that `harness train` made."""
    (found,) = (work / "tiny").glob("train-*")
    return found


def weights_of(folder: Path) -> dict[str, Any]:
    """A checkpoint's weights as transformers reads them."""
    from transformers import AutoModelForImageTextToText

    return dict(AutoModelForImageTextToText.from_pretrained(folder).state_dict())
