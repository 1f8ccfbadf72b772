"""Random weights whose greedy answers are short, readable, and depend on picture and prompt.

Plain random weights repeat one token until the length limit. Here the first coordinates of the
hidden state say in which slot of the answer's grammar the last token stands, one coordinate a
slot: only the embedding writes them, no layer reads or changes them, and the output layer
allows exactly the words of the slots that may follow. Which of those is said is up to the other
coordinates, where everything is random and where picture and prompt come in.
"""

from typing import Any

from harness.demo._tiny_words import END, SLOTS, sentences, spoken

_SLOT_SIGNAL = 4.0  # beside other coordinates of 1 to 2
_SLOT_LOGIT = 6.0  # times the signal, over the coordinates' size: 12 or more
_CHOICE_LOGIT = 2.0  # standard deviation over pictures and prompts
_STOP_BONUS = 0.2  # in the unit of `_SLOT_LOGIT`: one "." beside six words that go on

_ATTENTION_GAIN = 2.5  # peaked attention: an average over all tokens would hide what differs
_PIXEL_GAIN = 3.0  # pixels above positions: else all pictures look alike
_POSITION_STD = 0.1


def randomise(model: Any, processor: Any, *, seed: int) -> None:
    """Fills every weight of a model from a seed, in place.

    Args:
        model: A Qwen2-VL, LLaVA-NeXT or Mllama model for conditional generation in float32.
        processor: Its processor. The tokenizer's `eos_token` ends a turn.
        seed: Of the random numbers; the same one gives the same weights.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    slot_of = _slot_of_token(processor.tokenizer)
    with torch.no_grad():
        _fill(model, generator)
        _keep_slots_apart(model.model.language_model)
        _mark_slots(model.get_input_embeddings().weight, slot_of)
        _write_grammar(model, slot_of, _sample_states(model, processor, seed), generator)


def _slot_of_token(tokenizer: Any) -> dict[int, str]:
    """Words that are more than one token are left out: the tokenizer's text makes them few."""
    found = {tokenizer.eos_token_id: END}
    for slot in SLOTS:
        for word in spoken(slot):
            tokens = tokenizer.encode(word, add_special_tokens=False)
            if len(tokens) == 1:
                found[tokens[0]] = slot.name
    return found


def _fill(model: Any, generator: Any) -> None:
    from torch import nn

    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.Conv3d)):
            gain = 1.0 if isinstance(module, nn.Linear) else _PIXEL_GAIN
            fan_in = module.weight[0].numel()
            module.weight.normal_(0.0, gain * fan_in**-0.5, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            std = 0.5 if module is model.get_input_embeddings() else _POSITION_STD
            module.weight.normal_(0.0, std, generator=generator)
    for name, parameter in model.named_parameters():
        leaf = name.rpartition(".")[2]
        if "gate" in leaf:  # Mllama's, zero at first: the picture would not count
            parameter.fill_(1.0)
        elif leaf not in ("weight", "bias"):
            parameter.normal_(0.0, _POSITION_STD, generator=generator)


def _keep_slots_apart(language_model: Any) -> None:
    slots = slice(0, len(SLOTS))
    for layer in language_model.layers:
        attention = getattr(layer, "self_attn", None)
        if attention is None:  # a layer of Mllama that looks at the picture
            attention = layer.cross_attn
            attention.q_norm.weight.fill_(_ATTENTION_GAIN)
        else:
            attention.q_proj.weight.mul_(_ATTENTION_GAIN)
            attention.k_proj.weight.mul_(_ATTENTION_GAIN)
        layer.input_layernorm.weight[slots] = 0.0
        layer.post_attention_layernorm.weight[slots] = 0.0
        attention.o_proj.weight[slots] = 0.0
        layer.mlp.down_proj.weight[slots] = 0.0


def _mark_slots(embedding: Any, slot_of: dict[int, str]) -> None:
    column = {slot.name: i for i, slot in enumerate(SLOTS)}
    embedding[:, : len(SLOTS)] = 0.0
    for token in range(embedding.shape[0]):
        slot = slot_of.get(token, "prompt")
        embedding[token, column["prompt" if slot == END else slot]] = _SLOT_SIGNAL


def _sample_states(model: Any, processor: Any, seed: int) -> Any:
    """Hidden states, `[n, hidden]`, from which an answer's first word is chosen."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed)
    dated = "date_string" in processor.chat_template
    day = {"date_string": "01 Jan 2026"} if dated else {}  # the weights must not tell the date
    texts, images = [], []
    for sentence in sentences():
        content = [{"type": "image"}, {"type": "text", "text": sentence}]
        turn = [{"role": "user", "content": content}]
        texts.append(processor.apply_chat_template(turn, add_generation_prompt=True, **day))
        colours = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        images.append([Image.fromarray(colours).resize((64, 64))])
    inputs = processor(text=texts, images=images, padding=True, return_tensors="pt")
    return model.eval().model(**inputs).last_hidden_state[:, -1]


def _write_grammar(model: Any, slot_of: dict[int, str], states: Any, generator: Any) -> None:
    output, slots = model.lm_head.weight, len(SLOTS)
    states = states[:, slots:]
    mean = states.mean(0)
    # Rounded, so that the last digits of another machine's arithmetic do not show.
    common = (mean / mean.norm()).round(decimals=2)
    spread = (states - mean).pow(2).sum(1).mean().sqrt().round(decimals=2)
    output.zero_()
    output[:, :slots] = -_SLOT_LOGIT
    for token, slot in slot_of.items():
        choice = output[token, slots:].normal_(0.0, generator=generator)
        # What all pictures and prompts share would choose the same words for all.
        choice -= (choice @ common) * common
        choice *= _CHOICE_LOGIT / spread
        for column, before in enumerate(SLOTS):
            if slot in before.follow:
                bonus = _STOP_BONUS if slot == "stop" else 0.0
                output[token, column] = _SLOT_LOGIT + bonus
