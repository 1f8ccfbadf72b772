"""The tiny models' folders: their files, tokenizers and chat templates."""

import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from harness.demo import make_models
from harness.demo._tiny_words import SLOTS, sentences, spoken

END_OF_TURN = {"qwen2_vl": "<|im_end|>", "llava_next": "<|eot_id|>", "mllama": "<|eot_id|>"}


class Processor(NamedTuple):
    name: str
    processor: Any
    tokenizer: Any


@pytest.fixture(scope="module", params=END_OF_TURN)
def tiny(request: pytest.FixtureRequest, tiny_models: dict[str, Path]) -> Processor:
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(tiny_models[request.param])
    return Processor(request.param, processor, processor.tokenizer)


def test_tokenizer_knows_the_spoken_words(tiny: Processor) -> None:
    tokenizer = tiny.tokenizer
    words = [word for slot in SLOTS for word in spoken(slot)]
    lengths = [len(tokenizer.encode(word, add_special_tokens=False)) for word in words]
    assert 400 <= len(tokenizer) <= 600
    assert lengths.count(1) >= 0.9 * len(words)
    for text in (*sentences(), "Größe 3 µm\t→ ok", "  two  spaces "):
        tokens = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(tokens) == text


def test_string_and_list_contents_render_equally(tiny: Processor) -> None:
    def turns(wrap: Any) -> list[dict[str, Any]]:
        roles = {"system": "Be brief.", "user": "Is it red?", "assistant": "Yes."}
        return [{"role": role, "content": wrap(text)} for role, text in roles.items()]

    template = tiny.processor.apply_chat_template
    plain = template(turns(str))
    assert plain == template(turns(lambda text: [{"type": "text", "text": text}]))
    assert [plain.count(text) for text in ("Be brief.", "Is it red?", "Yes.")] == [1, 1, 1]
    assert plain.count("system") == 1
    assert template(turns(str)[1:]).count("system") == (0 if tiny.name == "llava_next" else 1)


def test_template_marks_what_the_assistant_wrote(tiny: Processor) -> None:
    turns = [
        {"role": "user", "content": [{"type": "image", "image": Image.new("RGB", (64, 64))}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Left."}]},
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    ]
    inputs = tiny.processor.apply_chat_template(
        turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    pairs = zip(inputs["input_ids"][0], inputs["assistant_masks"][0], strict=True)
    kept = [int(token) for token, mask in pairs if mask]
    end = END_OF_TURN[tiny.name]
    assert tiny.tokenizer.decode(kept) == f"Left.{end}No.{end}"


def test_only_mllama_tells_the_day_unless_it_is_pinned(tiny: Processor) -> None:
    days = {f"{datetime.now():%d %b %Y}"}
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is it?"}]}]
    rendered = tiny.processor.apply_chat_template(turn, add_generation_prompt=True)
    days.add(f"{datetime.now():%d %b %Y}")  # midnight may have passed
    if tiny.name != "mllama":
        assert not re.search(r"\b20\d\d\b", rendered)
        return
    assert any(day in rendered for day in days)
    pinned = tiny.processor.apply_chat_template(turn, date_string="26 Jul 2024")
    assert "26 Jul 2024" in pinned
    assert not any(day in pinned for day in days)


def test_folders_hold_safetensors_and_are_small(tiny_models: dict[str, Path]) -> None:
    for path in tiny_models.values():
        files = {file.name: file.stat().st_size for file in path.iterdir()}
        weights = {name for name in files if re.search(r"\.(safetensors|bin|pt|pth|pkl)$", name)}
        assert weights == {"model.safetensors"}
        assert sum(files.values()) < 4_000_000


def test_llava_next_has_the_published_key_names(tiny_models: dict[str, Path]) -> None:
    from safetensors import safe_open

    with safe_open(tiny_models["llava_next"] / "model.safetensors", "np") as weights:
        tower = [key for key in weights.offset_keys() if key.startswith("vision_tower.")]
    assert tower
    assert all(key.startswith("vision_tower.vision_model.") for key in tower)


def test_finished_folders_stay_and_half_written_ones_are_made_anew(tmp_path: Path) -> None:
    path = make_models(tmp_path / "models", only=["qwen2_vl"])["qwen2_vl"]
    times = {file: file.stat().st_mtime_ns for file in path.iterdir()}
    weights = (path / "model.safetensors").read_bytes()
    assert make_models(tmp_path / "models", only=["qwen2_vl"]) == {"qwen2_vl": path}
    assert {file: file.stat().st_mtime_ns for file in path.iterdir()} == times

    (path / "config.json").unlink()
    (path / "rest.tmp").touch()
    make_models(tmp_path / "models", only=["qwen2_vl"])
    assert {file.name for file in path.iterdir()} == {file.name for file in times}
    assert (path / "model.safetensors").read_bytes() == weights
    assert list((tmp_path / "models").iterdir()) == [path]


def test_unknown_name_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'llama'.*qwen2_vl, llava_next, mllama"):
        make_models(tmp_path / "models", only=["llama"])
    assert not (tmp_path / "models").exists()


def test_import_is_cheap() -> None:
    code = "import sys, harness.demo; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
