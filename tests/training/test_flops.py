"""Model FLOPs of a step, against those that PyTorch counts."""

from pathlib import Path
from typing import Any

import pytest
from training_data import FAMILIES, random_rows
from training_runs import job_of, trainer_of

from training.flops import peak_of, step_flops
from training.parts import trained_sizes


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("freeze", [(), ("vision_encoder",)])
def test_flops_are_those_that_are_done(
    tiny_models: dict[str, Path], tmp_path: Path, family: str, freeze: tuple[str, ...]
) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    data = random_rows(tmp_path, 4, text_only=0.0)
    # One row a batch, for padding counts for nothing; and an attention that PyTorch counts.
    job = job_of(
        tmp_path / "run", tiny_models[family], data, device_batch=1, freeze=freeze,
        attn_implementation="eager",
    )  # fmt: skip
    trainer = trainer_of(job)
    model = trainer.model.train()
    counted = told = 0.0
    for row in range(4):
        batch: dict[str, Any] = trainer._collator([row])
        told += step_flops(model, trained_sizes(model), batch)
        with FlopCounterMode(display=False) as counter:
            trainer.compute_loss(model, batch, num_items_in_batch=1).backward()
        counted += counter.get_total_flops()
    # PyTorch counts the half of attention that the mask throws away, and that within pictures.
    assert 0.75 * counted < told < 1.05 * counted


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA A10G", 125),
        ("NVIDIA H100 PCIe", 756), ("NVIDIA H200", 989), ("NVIDIA L40", 181), ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362), ("NVIDIA B200", 2250), ("NVIDIA GeForce RTX 3090", 71),
    ],
)  # fmt: skip
def test_rates_by_name(name: str, tera: int) -> None:
    assert peak_of(name) == tera * 1e12


def test_an_unknown_card_has_no_rate() -> None:
    assert peak_of("Some other card") is None
