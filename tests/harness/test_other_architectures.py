"""What AutoModelForImageTextToText loads should work: here LLaVA 1.5, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from engine_helpers import answers, ask, start, texts
from harness_helpers import Harness, closed_rows

from harness.demo._tiny_templates import LLAVA_NEXT as TEMPLATE
from harness.demo._tiny_tokenizer import LLAVA_NEXT, make_tokenizer

SCHEMA = Path(__file__).parents[2] / "harness" / "results.schema.json"


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    import transformers as hf

    folder = tmp_path_factory.mktemp("models") / "llava"
    tokenizer = make_tokenizer(LLAVA_NEXT)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}  # fmt: skip
    side = {"height": 28, "width": 28}
    processor = hf.LlavaProcessor(
        image_processor=hf.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size=side),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    config = hf.LlavaConfig(
        text_config=hf.LlamaConfig(
            **sizes, vocab_size=len(tokenizer), max_position_embeddings=512, initializer_range=0.3
        ),
        vision_config=hf.CLIPVisionConfig(**sizes, image_size=28, patch_size=14),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
    )
    torch.manual_seed(0)
    hf.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_answers(llava: Path) -> None:
    engine = start(llava, batch_size=3)
    assert engine.describe()["model_class"] == "LlavaForConditionalGeneration"
    assert engine.describe()["max_model_len"] == 512
    asked = [ask(i, max_new_tokens=12) for i in range(8)]
    together = texts(engine, asked)
    assert together == [texts(engine, [one])[0] for one in asked]
    assert len(set(together)) > 3
    found = answers(
        engine, [ask(0, "Why?"), ask(1, "<image>"), ask(2, images=2), ask(3, "x" * 999)]
    )
    assert found[0].text is not None
    assert found[2].text is not None
    assert [found[i].text for i in (1, 3)] == [None, None]


def test_from_the_command(harness: Harness, llava: Path, tmp_path: Path) -> None:
    closed_rows(tmp_path / "rows" / "vqa_rad", 6)
    ran = harness(
        "eval", "--model", llava, "--tasks", "vqa_rad", "--data", "rows", "--json",
        "--max-new-tokens", 5,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    jsonschema.validate(ran.json, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert all(line["failed"] == 0 for line in ran.json["results"])
