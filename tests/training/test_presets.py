"""Published settings, and how a recipe, a preset and the machine make the settings of a run."""

from typing import Any

import pytest

from harness.errors import UserError
from harness.recipes import TrainRecipe
from training.presets import PRESETS, Settings, resolve, without_effect


def settings(
    model_type: str = "qwen2_vl", *, here: int = 8, first: bool = False, **recipe: Any
) -> Settings:
    return resolve(TrainRecipe(**recipe), model_type, gpus_here=here, first_stage=first)


# Section 3 of the published protocol.
@pytest.mark.parametrize(
    ("preset", "model_type", "epochs", "llm", "vision", "decay", "warmup"),
    [
        ("synthesizer", "llava_next", 2, 2e-5, 2e-6, 0, 0.03),
        ("llava_v1_6", "llava_next", 1, 2e-5, 2e-6, 0, 0.03),
        ("qwen2_vl", "qwen2_vl", 1, 1e-5, 1e-5, 0.1, 0.1),
        ("llama3_2_vision", "mllama", 1, 5e-6, 5e-6, 0.1, 0.1),
    ],
)
def test_published_values(
    preset: str, model_type: str, epochs: float, llm: float, vision: float, decay: float,
    warmup: float,
) -> None:  # fmt: skip
    made = settings(model_type, preset=preset)
    assert (made.epochs, made.global_batch, made.max_length) == (epochs, 128, 6144)
    assert made.rates == {"llm": llm, "projector": llm, "vision_encoder": vision}
    assert (made.weight_decay, made.warmup_ratio, made.schedule) == (decay, warmup, "cosine")
    assert made.freeze == ()
    assert made.origins["lr"] == "preset"


def test_shapes_of_the_published_runs() -> None:
    llava = settings("llava_next", preset="llava_v1_6")
    assert (llava.parallel, llava.device_batch, llava.accumulation) == ("zero3", 4, 4)
    qwen = settings(preset="qwen2_vl")
    assert (qwen.parallel, qwen.device_batch, qwen.accumulation) == ("zero2", 8, 2)


def test_synthesizer_learns_to_ask() -> None:
    assert settings("llava_next", preset="synthesizer").loss == "after_first"
    assert settings("llava_next", preset="llava_v1_6").loss == "assistant"


def test_first_of_two_stages_moves_llavas_projector_alone() -> None:
    first = settings("llava_next", preset="llava_v1_6", stages="two", first=True)
    assert first.freeze == ("vision_encoder", "llm")
    assert first.lr_projector == 2e-3
    assert settings("llava_next", preset="llava_v1_6", stages="two").freeze == ()
    assert settings(preset="qwen2_vl", stages="two", first=True).freeze == ()


def test_what_the_recipe_says_holds_in_the_first_stage_too() -> None:
    def first(**recipe: Any) -> Settings:
        return settings("llava_next", preset="llava_v1_6", stages="two", first=True, **recipe)

    own = first(lr_projector=1e-4, freeze=("vision_encoder",))
    assert (own.lr_projector, own.freeze) == (1e-4, ("vision_encoder",))
    assert (own.origins["lr_projector"], own.origins["freeze"]) == ("recipe", "recipe")
    assert first(freeze=()).freeze == ()
    # The rate of the LLM, which this stage freezes, is none of the projector's.
    assert first(lr=3e-5).lr_projector == 2e-3
    assert settings("llava_next", preset="llava_v1_6", lr=3e-5).lr_projector == 3e-5


def test_a_machine_without_gpus_plans_for_others() -> None:
    made = settings(preset="qwen2_vl", here=0, device="gpu", gpus=8, nodes=2)
    assert (made.on_gpu, made.dtype, made.gradient_checkpointing) == (True, "bfloat16", True)
    assert (made.ranks, made.parallel) == (16, "zero2")
    cpu = settings(preset="qwen2_vl", here=4, device="cpu")
    assert (cpu.on_gpu, cpu.dtype, cpu.gpus) == (False, "float32", 1)


@pytest.mark.parametrize("gpus", [1, 2, 4, 8, 16, 32, 64, 128])
@pytest.mark.parametrize("preset", PRESETS)
def test_global_batch_is_kept_whatever_the_gpus(preset: str, gpus: int) -> None:
    model_type = (PRESETS[preset].fits or ("qwen2_vl",))[0]
    made = settings(model_type, preset=preset, here=gpus)
    assert made.device_batch * made.accumulation * made.ranks == 128


def test_nodes_count() -> None:
    made = settings(preset="qwen2_vl", nodes=2)
    assert (made.ranks, made.device_batch, made.accumulation) == (16, 8, 1)


def test_a_recipes_rate_is_the_projectors_too() -> None:
    made = settings(preset="qwen2_vl", lr=3e-5)
    assert made.rates == {"llm": 3e-5, "projector": 3e-5, "vision_encoder": 1e-5}
    assert (made.origins["lr"], made.origins["lr_projector"]) == ("recipe", "follows")
    own = settings(preset="qwen2_vl", lr=3e-5, lr_projector=1e-4)
    assert own.rates["projector"] == 1e-4


def test_the_machine_decides_what_nobody_said() -> None:
    cpu = settings(preset="qwen2_vl", here=0)
    assert (cpu.gpus, cpu.parallel, cpu.dtype, cpu.gradient_checkpointing) == (
        1, "none", "float32", False,
    )  # fmt: skip
    gpu = settings(preset="qwen2_vl", here=1)
    assert (gpu.parallel, gpu.dtype, gpu.gradient_checkpointing) == ("none", "bfloat16", True)
    assert settings(preset="qwen2_vl", here=1, parallel="zero2").parallel == "zero2"


def test_adapters_have_a_rate_of_their_own_and_freeze_the_rest() -> None:
    made = settings(preset="qwen2_vl", lora={"rank": 8})
    assert made.lr == 1e-4
    assert made.freeze == ("vision_encoder", "projector")
    assert made.lora is not None
    assert made.lora["rank"] == 8
    both = settings(preset="qwen2_vl", lr=3e-4, lora={"parts": ("llm", "vision_encoder")})
    assert set(both.rates.values()) == {3e-4}


@pytest.mark.parametrize(
    ("model_type", "recipe", "told"),
    [
        ("mllama", {"preset": "qwen2_vl"}, "train.preset: qwen2_vl is for qwen2_vl and qwen2_5_vl"),
        ("qwen2_vl", {"preset": "llava_v1_6"}, "but the base model is qwen2_vl"),
        ("qwen2_vl", {"gpus": 3}, "train.global_batch: 128 cannot be divided by 3 processes"),
        ("qwen2_vl", {"device_batch": 32}, "train.device_batch: 128 cannot be divided by 32 x 8"),
    ],
)
def test_what_does_not_fit_is_refused(model_type: str, recipe: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as refused:
        settings(model_type, **recipe)
    assert told in refused.value.message
    assert refused.value.hint


def test_the_hint_names_the_preset_that_fits() -> None:
    with pytest.raises(UserError) as refused:
        settings("mllama", preset="qwen2_vl")
    assert "llama3_2_vision" in (refused.value.hint or "")


def test_settings_without_effect_are_told() -> None:
    recipe = TrainRecipe(
        lr_vision_encoder=1e-6, freeze=("vision_encoder",), captions="c.jsonl",
        batching="packed", device_batch=4, parallel="zero3_offload",
    )  # fmt: skip
    told = " ".join(without_effect(recipe, resolve(recipe, "qwen2_vl", gpus_here=0)))
    for name in ("lr_vision_encoder", "captions", "device_batch", "parallel"):
        assert f"train.{name}: " in told
    assert without_effect(TrainRecipe(), settings()) == []


def test_only_what_moves_the_weights_names_the_folder() -> None:
    one = settings(preset="qwen2_vl", here=1).determining()
    assert one == settings(preset="qwen2_vl", here=1, workers=9, keep=3, log_every=5).determining()
    assert one == settings(preset="qwen2_vl", here=4, parallel="zero3").determining()
    assert one != settings(preset="qwen2_vl", here=1, lr=2e-5).determining()
    assert one != settings(preset="qwen2_vl", here=1, seed=1).determining()


def test_settings_survive_json() -> None:
    made = settings(preset="qwen2_vl", lora={}, freeze=("llm",), report_to=("wandb",))
    assert Settings.from_json(made.to_json()) == made
