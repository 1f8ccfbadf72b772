"""The tiny models' tokenizers: one byte-level BPE, each family with its own special tokens."""

from typing import Any, NamedTuple

from harness.demo._tiny_words import training_text

_WORDS = 560


class SpecialTokens(NamedTuple):
    """A family's special tokens; their ids follow the ordinary ones, in the order of `all`."""

    pad: str
    end_of_turn: str
    bos: str | None
    all: tuple[str, ...]


QWEN2_VL = SpecialTokens(
    pad="<|endoftext|>",
    end_of_turn="<|im_end|>",
    bos=None,
    all=(
        *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
        *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
    ),
)

_LLAMA_3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>")

LLAVA_NEXT = SpecialTokens(
    pad="<pad>",
    end_of_turn="<|eot_id|>",
    bos="<|begin_of_text|>",
    all=(*_LLAMA_3, "<|eot_id|>", "<image>", "<pad>"),
)

MLLAMA = SpecialTokens(
    pad="<|finetune_right_pad_id|>",
    end_of_turn="<|eot_id|>",
    bos="<|begin_of_text|>",
    # The picture's mark stays last: as in Llama 3.2 it has an embedding but no logit.
    all=(*_LLAMA_3, "<|eot_id|>", "<|python_tag|>", "<|finetune_right_pad_id|>", "<|image|>"),
)


def make_tokenizer(special: SpecialTokens) -> Any:
    """Trains a family's tokenizer (a second or so).

    A family with a `bos` puts it before every text, as Llama 3's tokenizer does: a template
    that prints it too doubles it unless `add_special_tokens=False`.

    Returns:
        A fast tokenizer of about 570 tokens that pads on the left.
    """
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        training_text(),
        trainers.BpeTrainer(vocab_size=_WORDS, initial_alphabet=alphabet, show_progress=False),
    )
    bpe.add_special_tokens(list(special.all))
    if special.bos is not None:
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{special.bos} $A",
            pair=f"{special.bos} $A {special.bos} $B",
            special_tokens=[(special.bos, bpe.token_to_id(special.bos))],
        )
    named = {special.pad, special.end_of_turn, special.bos}
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=special.bos,
        eos_token=special.end_of_turn,
        pad_token=special.pad,
        additional_special_tokens=[token for token in special.all if token not in named],
        padding_side="left",
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )
