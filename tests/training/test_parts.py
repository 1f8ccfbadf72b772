"""Which parameter is whose, and that each learning rate reaches what it should."""

from pathlib import Path

import pytest
from training_data import FAMILIES, random_rows
from training_runs import job_of, train_here, trainer_of, weights_of

from harness.errors import UserError
from training.parts import part_of, sizes_of, tensors_on_disk
from training.presets import PARTS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("parts"), 16, text_only=0.0)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.visual.blocks.0.attn.qkv.weight", "vision_encoder"),
        ("visual.merger.mlp.0.weight", "projector"),
        ("model.language_model.layers.0.mlp.up_proj.weight", "llm"),
        ("model.vision_tower.encoder.layers.0.mlp.fc1.weight", "vision_encoder"),
        ("vision_tower.vision_model.embeddings.class_embedding", "vision_encoder"),
        ("model.multi_modal_projector.linear_1.weight", "projector"),
        ("multi_modal_projector.weight", "projector"),
        ("model.image_newline", "projector"),
        ("model.vision_model.global_transformer.layers.0.gate_ffn", "vision_encoder"),
        ("model.language_model.layers.3.cross_attn.k_proj.weight", "llm"),
        ("lm_head.weight", "llm"),
        ("model.connector.modality_projection.proj.weight", "projector"),
        ("base_model.model.model.language_model.layers.0.q_proj.lora_A.default.weight", "llm"),
    ],
)
def test_parts_by_name(name: str, part: str) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_all_parts_on_disk(tiny_models: dict[str, Path], family: str) -> None:
    import torch
    from safetensors.torch import load_file

    sizes = sizes_of(tensors_on_disk(tiny_models[family]))
    assert all(sizes.values())
    weights = load_file(tiny_models[family] / "model.safetensors")
    assert sum(sizes.values()) == sum(torch.numel(weight) for weight in weights.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_rates_reach_the_right_parameters(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    import torch

    rates = {"vision_encoder": 1e-5, "projector": 1e-4, "llm": 1e-3}
    job = job_of(
        tmp_path / "run", tiny_models[family], data, max_steps=1, lr=rates["llm"],
        lr_projector=rates["projector"], lr_vision_encoder=rates["vision_encoder"],
    )  # fmt: skip
    trainer = trainer_of(job)
    named = dict(trainer.model.named_parameters())
    before = {name: p.detach().clone() for name, p in named.items()}
    trainer.train()
    rate_of = {
        id(parameter): group["initial_lr"]
        for group in trainer.optimizer.param_groups
        for parameter in group["params"]
    }
    moved: dict[str, list[float]] = {part: [] for part in rates}
    for name, parameter in named.items():
        assert rate_of[id(parameter)] == rates[part_of(name)], name
        if torch.any(parameter != before[name]):
            moved[part_of(name)].append((parameter - before[name]).abs().max().item())
    # AdamW's first step is as long as its rate, whatever the gradient.
    for part, rate in rates.items():
        assert max(moved[part]) == pytest.approx(rate, rel=0.02), part
        assert all(step < 1.05 * rate for step in moved[part])


def test_norms_and_biases_do_not_decay(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, weight_decay=0.1)
    trainer = trainer_of(job)
    trainer.create_optimizer()
    names = {id(p): name for name, p in trainer.model.named_parameters()}
    decayed = {
        names[id(p)]: group["weight_decay"]
        for group in trainer.optimizer.param_groups
        for p in group["params"]
    }
    for name, decay in decayed.items():
        plain = name.endswith("bias") or "norm" in name or "ln_q" in name
        assert decay == (0.0 if plain else 0.1), name


@pytest.mark.parametrize("frozen", [("vision_encoder", "llm"), ("vision_encoder", "projector")])
def test_nothing_frozen_moves(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, frozen: tuple[str, ...]
) -> None:
    import torch

    job = job_of(tmp_path / "run", tiny_models["llava_next"], data, max_steps=2, freeze=frozen)
    train_here(job)
    before, after = weights_of(tiny_models["llava_next"]), weights_of(job.checkpoint)
    assert before.keys() == after.keys()
    moved = {part_of(name) for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not moved & set(frozen)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_can_be_frozen_alone(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path, family: str
) -> None:
    import torch

    job = job_of(tmp_path / "run", tiny_models[family], data, max_steps=2, freeze=("embeddings",))
    train_here(job)
    before, after = weights_of(tiny_models[family]), weights_of(job.checkpoint)
    still = {name for name in before if torch.equal(before[name], after[name])}
    words = {name for name in before if name.endswith("embed_tokens.weight")}
    assert words
    assert words <= still
    # An output layer of its own learns; one that shares the embeddings' weights cannot.
    assert ("lm_head.weight" in still) == torch.equal(
        before["lm_head.weight"], before[next(iter(words))]
    )
    assert any("language_model.layers" in name for name in before.keys() - still)


def test_something_has_to_be_trained(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train\.freeze: nothing is left to train"):
        job_of(tmp_path / "run", tiny_models["qwen2_vl"], data, freeze=PARTS)


def test_a_part_without_weights_cannot_have_a_rate() -> None:
    from harness.recipes import TrainRecipe
    from training.parts import check_parts
    from training.presets import resolve

    made = resolve(TrainRecipe(lr_vision_encoder=1e-5), "other", gpus_here=0)
    with pytest.raises(UserError, match="no vision_encoder that is known by name"):
        check_parts({"vision_encoder": 0, "projector": 0, "llm": 10}, made)


def test_a_projector_alone_learns_from_batches_without_pictures_too(
    tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    # Such a batch has nothing to learn from; it must not end the run.
    rows = random_rows(tmp_path, 8, text_only=0.8)
    series = [
        train_here(
            job_of(
                tmp_path / family, tiny_models[family], rows, device_batch=1, max_steps=2,
                freeze=("vision_encoder", "llm"),
            )
        )
        for family in FAMILIES
    ]  # fmt: skip
    assert all(len(losses) == 2 for losses in series)
