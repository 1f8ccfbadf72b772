"""The demo's architectures at a million parameters: a Qwen2-VL, and a Llama that reads text."""

from __future__ import annotations

from typing import Any

from harness.demo import _tiny_templates as templates
from tasks.sample.scan import PIXELS

PATCH = 14
_SPREAD = 0.08
"""Standard deviation of the first weights; with the usual 0.02 nothing was learnt of reading."""
_HEAD = 32
_THETA = 10_000.0
_SHARPNESS = 5.0


def qwen2_vl(tokenizer: Any, *, hidden: int = 128, layers: int = 2, vision: int = 128) -> Any:
    """A Qwen2-VL with random weights, and its processor: every picture is four tokens.

    Returns:
        Model (float32) and processor.
    """
    import torch
    import transformers as hf

    pixels: dict[str, Any] = {
        "min_pixels": PIXELS**2, "max_pixels": PIXELS**2, "patch_size": PATCH,
    }  # fmt: skip
    processor = hf.Qwen2VLProcessor(
        image_processor=hf.Qwen2VLImageProcessor(**pixels),
        video_processor=hf.Qwen2VLVideoProcessor(**pixels),
        tokenizer=tokenizer,
        chat_template=templates.QWEN2_VL,
    )
    token_id = tokenizer.convert_tokens_to_ids
    config = hf.Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": hidden // _HEAD,
            "num_key_value_heads": hidden // _HEAD,
            "max_position_embeddings": 2048,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": _THETA, "mrope_section": [4, 6, 6],
            },
        },
        vision_config={
            "depth": 2,
            "embed_dim": vision,
            "hidden_size": hidden,
            "num_heads": vision // 32,
            "mlp_ratio": 2,
            "patch_size": PATCH,
        },
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        tie_word_embeddings=True,
    )  # fmt: skip
    model = hf.Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(_SPREAD / 0.02)
    _ready_to_copy(model.model.language_model.layers)
    model.generation_config = hf.GenerationConfig(
        do_sample=False,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    return model, processor


def llama(tokenizer: Any, *, hidden: int = 128, layers: int = 2, context: int = 1024) -> Any:
    """A Llama with random weights that reads text alone (float32)."""
    import torch
    import transformers as hf

    config = hf.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // _HEAD,
        num_key_value_heads=hidden // _HEAD,
        max_position_embeddings=context,
        initializer_range=_SPREAD,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.pad_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = hf.LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer.pad_token_id].zero_()
    model.generation_config = hf.GenerationConfig(
        do_sample=False,
        eos_token_id=tokenizer.pad_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def _ready_to_copy(layers: Any) -> None:
    """Start attention where copying is near: then it is learnt in 400 steps, else in over 1,500.

    Queries and keys begin equal, so that tokens look at their like, and values come out as they
    went in (Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers", 2023). Half of
    the first layer's heads begin by looking one token back.
    """
    import torch

    turn = _THETA ** (-torch.arange(_HEAD // 2) / (_HEAD // 2))
    with torch.no_grad():
        for layer in layers:
            attention = layer.self_attn
            attention.k_proj.weight.copy_(attention.q_proj.weight)
            attention.o_proj.weight.copy_(attention.v_proj.weight.T)
        first = layers[0].self_attn
        # Rotary angles grow with the place: these two agree best at a distance of one.
        query = torch.cat([turn.cos(), -turn.sin()]) * _SHARPNESS
        key = torch.cat([torch.ones_like(turn), torch.zeros_like(turn)]) * _SHARPNESS
        for begin in range(0, first.q_proj.bias.numel() // 2, _HEAD):
            first.q_proj.bias[begin : begin + _HEAD] = query
            first.k_proj.bias[begin : begin + _HEAD] = key
