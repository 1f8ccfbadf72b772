"""A tiny language model without eyes and without a chat template, as a base model is."""

from __future__ import annotations

from pathlib import Path


def make_base_model(folder: Path, seed: int = 0) -> Path:
    """Write a random two-layer Llama whose tokenizer is the tiny LLaVA-NeXT's."""
    import torch
    import transformers as hf

    from harness.demo import _tiny_tokenizer as tokens

    tokenizer = tokens.make_tokenizer(tokens.LLAVA_NEXT)
    config = hf.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=256, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    hf.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
