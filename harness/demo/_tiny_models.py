"""Tiny Qwen2-VL, LLaVA-NeXT and Mllama models with their processors.

Every attention head is 32 wide: the smallest that vLLM takes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from harness.demo import _tiny_templates as templates
from harness.demo import _tiny_tokenizer as tokens
from harness.demo._tiny_weights import randomise

_HIDDEN = 128
_VISION = 64
_PATCH = 14


class Checkpoint(NamedTuple):
    """What `save_pretrained` needs to write a model's folder."""

    model: Any
    processor: Any


def _text_settings(tokenizer: Any, *, layers: int = 2) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": _HIDDEN,
        "intermediate_size": 2 * _HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _finish(model: Any, processor: Any, *, seed: int) -> Checkpoint:
    from transformers import GenerationConfig

    tokenizer = processor.tokenizer
    randomise(model, processor, seed=seed)
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Checkpoint(model.eval(), processor)


def qwen2_vl() -> Checkpoint:
    """A Qwen2-VL that sees a picture as 4 to 16 tokens (56·56 to 112·112 pixels)."""
    import transformers as hf

    tokenizer = tokens.make_tokenizer(tokens.QWEN2_VL)
    token_id = tokenizer.convert_tokens_to_ids
    pixels: dict[str, Any] = {"min_pixels": 56 * 56, "max_pixels": 112 * 112, "patch_size": _PATCH}
    processor = hf.Qwen2VLProcessor(
        image_processor=hf.Qwen2VLImageProcessor(**pixels),
        video_processor=hf.Qwen2VLVideoProcessor(**pixels),
        tokenizer=tokenizer,
        chat_template=templates.QWEN2_VL,
    )
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]}
    config = hf.Qwen2VLConfig(
        text_config={**_text_settings(tokenizer), "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "embed_dim": _VISION,
            "hidden_size": _HIDDEN,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": _PATCH,
        },
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    return _finish(hf.Qwen2VLForConditionalGeneration(config), processor, seed=1)


def llava_next() -> Checkpoint:
    """A LLaVA-NeXT with Llama 3's headers: crops of 28·28 pixels, up to four and the whole."""
    import transformers as hf

    tokenizer = tokens.make_tokenizer(tokens.LLAVA_NEXT)
    side = 2 * _PATCH
    grid = [[side, 2 * side], [2 * side, side], [2 * side, 2 * side]]
    processor = hf.LlavaNextProcessor(
        image_processor=hf.LlavaNextImageProcessor(
            size={"shortest_edge": side},
            crop_size={"height": side, "width": side},
            image_grid_pinpoints=grid,
        ),
        tokenizer=tokenizer,
        patch_size=_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=templates.LLAVA_NEXT,
    )
    config = hf.LlavaNextConfig(
        text_config=hf.LlamaConfig(**_text_settings(tokenizer)),
        vision_config=hf.CLIPVisionConfig(
            hidden_size=_VISION,
            intermediate_size=2 * _VISION,
            projection_dim=_VISION,
            num_hidden_layers=3,  # the features are those before the last
            num_attention_heads=2,
            image_size=side,
            patch_size=_PATCH,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=grid,
        image_seq_length=(side // _PATCH) ** 2,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    return _finish(hf.LlavaNextForConditionalGeneration(config), processor, seed=2)


def mllama() -> Checkpoint:
    """A Mllama (Llama 3.2 Vision): up to four tiles of 56·56 pixels, read by one layer of three."""
    import transformers as hf
    from transformers.models.mllama.configuration_mllama import (
        MllamaTextConfig,
        MllamaVisionConfig,
    )

    tokenizer = tokens.make_tokenizer(tokens.MLLAMA)
    side = 4 * _PATCH
    processor = hf.MllamaProcessor(
        image_processor=hf.MllamaImageProcessor(
            size={"height": side, "width": side}, max_image_tiles=4
        ),
        tokenizer=tokenizer,
        chat_template=templates.MLLAMA,
    )
    image_token = tokenizer.convert_tokens_to_ids("<|image|>")
    text = {**_text_settings(tokenizer, layers=3), "vocab_size": image_token}
    config = hf.MllamaConfig(
        text_config=MllamaTextConfig(**text, cross_attention_layers=[1]),
        vision_config=MllamaVisionConfig(
            hidden_size=_VISION,
            intermediate_size=2 * _VISION,
            num_hidden_layers=2,
            num_global_layers=1,
            attention_heads=2,
            image_size=side,
            patch_size=_PATCH,
            max_num_tiles=4,
            intermediate_layers_indices=[0, 1],
            vision_output_dim=3 * _VISION,
        ),
        image_token_index=image_token,
    )
    return _finish(hf.MllamaForConditionalGeneration(config), processor, seed=3)


MAKERS: dict[str, Callable[[], Checkpoint]] = {
    "qwen2_vl": qwen2_vl,
    "llava_next": llava_next,
    "mllama": mllama,
}
"""By the name of the folder, which is the architecture's `model_type`."""
