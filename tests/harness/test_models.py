"""From a model's name to a checkpoint that may be loaded, and what is refused on the way."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_helpers import Harness
from safetensors.torch import load_file

from harness.errors import UserError
from harness.models import open_checkpoint

ASK = ("eval", "--tasks", "slake", "--data", "sample", "--limit", "1", "--engine", "transformers")


@pytest.fixture
def folder(tmp_path: Path, tiny_models: dict[str, Path]) -> Path:
    """A checkpoint to spoil."""
    return Path(shutil.copytree(tiny_models["qwen2_vl"], tmp_path / "model"))


def refusal(harness: Harness, ref: Path | str, *options: str) -> str:
    """What the command says of a model it refuses; nothing is left behind."""
    ran = harness(*ASK, "--model", ref, *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert len(ran.err.splitlines()) <= 2
    assert not Path("runs").exists()
    return ran.err


def change(path: Path, **values: Any) -> None:
    settings = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(settings | values))


def test_no_checkpoint_there(harness: Harness, folder: Path, tmp_path: Path) -> None:
    assert "no such folder" in refusal(harness, "models")
    assert "no such folder" in refusal(harness, "~nobody_of_this_name/model")
    assert "no such folder" in refusal(harness, folder / "config.json")
    (tmp_path / "empty").mkdir()
    assert "config.json is missing" in refusal(harness, "empty")
    (folder / "model.safetensors").unlink()
    message = refusal(harness, folder)
    assert "holds no weights" in message
    assert "name one of them" in message
    (folder / "training_args.bin").write_bytes(b"x")  # pickled, but no weights
    assert "holds no weights" in refusal(harness, folder, "--allow-pickle")


def test_an_adapter_is_no_checkpoint(harness: Harness, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"base_model_name_or_path": "x/y"}')
    (tmp_path / "lora" / "adapter_model.safetensors").write_bytes(b"x")
    assert "merge it into its base model" in refusal(harness, "lora")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    change(folder / "adapter_config.json", base_model_name_or_path="x/y")
    assert "merge it into its base model" in refusal(harness, folder)


def test_pickled_weights(harness: Harness, folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path(folder / "sprung"),)

    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Trap()))
    message = refusal(harness, folder)
    assert "pickled (adapter_model.bin)" in message
    assert "--allow-pickle" in message
    (folder / "adapter_model.bin").unlink()
    (folder / "model.safetensors").rename(folder / "kept")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    assert "pickled (pytorch_model.bin)" in refusal(harness, folder)
    assert harness(*ASK, "--model", folder, "--allow-pickle").code == 2  # torch takes weights only
    assert not (folder / "sprung").exists()
    torch.save(load_file(folder / "kept"), folder / "pytorch_model.bin")
    ran = harness(*ASK, "--model", folder, "--allow-pickle", "--out", "allowed")
    assert ran.code == 0, ran.err


def test_allowing_pickles_leaves_a_safe_checkpoint_what_it_is(folder: Path) -> None:
    plain = open_checkpoint(str(folder)).fingerprint
    (folder / "training_args.bin").write_bytes(b"x")
    (folder / "pytorch_model.bin").write_bytes(b"x")  # beside safe weights it is not loaded
    assert open_checkpoint(str(folder)).fingerprint == plain
    assert open_checkpoint(str(folder), allow_pickle=True).fingerprint == plain
    (folder / "model.safetensors").unlink()
    first = open_checkpoint(str(folder), allow_pickle=True).fingerprint
    (folder / "pytorch_model.bin").write_bytes(b"y")
    assert open_checkpoint(str(folder), allow_pickle=True).fingerprint != first != plain


@pytest.mark.parametrize(
    ("name", "auto_map"),
    [
        ("config.json", {"AutoConfig": "code.Config"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["code.Slow", None]}),
        ("tokenizer_config.json", ["code.Slow", None]),
        ("processor_config.json", "code.Processor"),
        ("video_preprocessor_config.json", {"AutoVideoProcessor": "code.Video"}),
    ],
)
def test_code_of_its_own_has_to_be_pinned(
    harness: Harness, folder: Path, name: str, auto_map: Any
) -> None:
    (folder / "code.py").write_text("raise SystemExit(9)")
    change(folder / name, auto_map=auto_map)
    message = refusal(harness, folder)
    assert "code of its own (code." in message
    pin = re.findall(r"--trust-remote-code ([0-9a-f]{12})$", message.strip())[0]
    assert f"which is {pin}" in refusal(harness, folder, "--trust-remote-code", "main")
    trusted = open_checkpoint(str(folder), trust_remote_code=pin)
    assert trusted.remote_code
    before = trusted.fingerprint
    (folder / "code.py").write_text("raise SystemExit(8)")
    assert "read it again" in refusal(harness, folder, "--trust-remote-code", pin)
    pin = _pin(folder)
    assert open_checkpoint(str(folder), trust_remote_code=pin).fingerprint != before
    (folder / "parts").mkdir()
    (folder / "parts" / "more.py").write_text("")
    assert _pin(folder) != pin


def _pin(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_checkpoint(str(folder))
    return str(caught.value.hint).split()[-1]


def test_custom_generate_is_code(harness: Harness, folder: Path) -> None:
    """transformers runs that file for whoever trusts a checkpoint's code; no auto_map names it."""
    assert not open_checkpoint(str(folder), trust_remote_code="abc").remote_code
    (folder / "tool.py").write_text("")
    assert "which is " in refusal(harness, folder, "--trust-remote-code", "abc")
    assert not open_checkpoint(str(folder)).remote_code
    plain = open_checkpoint(str(folder)).fingerprint
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text("open('sprung', 'w')\n")
    assert "(custom_generate/generate.py)" in refusal(harness, folder)
    pin = _pin(folder)
    assert f"which is {pin}" in refusal(harness, folder, "--trust-remote-code", "abc")
    trusted = open_checkpoint(str(folder), trust_remote_code=pin)
    assert trusted.remote_code
    assert trusted.fingerprint != plain
    (folder / "custom_generate" / "generate.py").write_text("open('sprung', 'a')\n")
    assert "read it again" in refusal(harness, folder, "--trust-remote-code", pin)
    assert not Path("sprung").exists()


@pytest.mark.parametrize("nested", [False, True])
def test_code_of_another_repository_is_refused(
    harness: Harness, folder: Path, nested: bool
) -> None:
    asked = {"auto_map": {"AutoProcessor": "evil/code--mod.Processor"}}
    change(folder / "processor_config.json", **({"image_processor": asked} if nested else asked))
    for options in ((), ("--trust-remote-code", "abc")):
        message = refusal(harness, folder, *options)
        assert "another repository (evil/code--mod.Processor)" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[1, 2]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[" * 100_000, "cannot be read"),
        ("\ud800", "cannot be read"),
        ("{}", "cannot load"),
        ('{"model_type": "qwen2_vl", "text_config": 5, "auto_map": 5}', "cannot load"),
        ('{"model_type": ["x"], "text_config": {"max_position_embeddings": "9"}}', "cannot load"),
        ('{"model_type": "no_such_kind"}', "no_such_kind"),
    ],
)
def test_a_damaged_config(harness: Harness, folder: Path, text: str, words: str) -> None:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    ran = harness(*ASK, "--model", folder)
    assert ran.code == 2
    assert words in ran.err


@pytest.mark.parametrize(
    "text",
    ["[]", '{"image_processor": 5}', '{"size": [1]}', '{"min_pixels": "x", "max_pixels": 9}'],
)
def test_a_damaged_preprocessor(harness: Harness, folder: Path, text: str) -> None:
    (folder / "processor_config.json").write_text(text)
    assert "processor_config.json" in refusal(harness, folder)


def test_damaged_weights(harness: Harness, folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    ran = harness(*ASK, "--model", folder)
    assert ran.code == 2
    assert "cannot load" in ran.err


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("model-00002-of-00002.safetensors", "lacks model-00002-of-00002.safetensors"),
        ("../model/model.safetensors", "no *.safetensors of its folder"),
        ("pytorch_model.bin", "no *.safetensors of its folder"),
        (5, "no *.safetensors of its folder"),
    ],
)
def test_an_index_lists_files_of_its_folder(
    harness: Harness, folder: Path, shard: Any, words: str
) -> None:
    first = "model-00001-of-00002.safetensors"
    (folder / "model.safetensors").rename(folder / first)
    (folder / "pytorch_model.bin").write_bytes(b"")
    index = {"weight_map": {"a.weight": first, "b.weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert words in refusal(harness, folder)


def test_a_hub_out_of_reach_is_one_line(harness: Harness) -> None:
    for ref in ("org/model", "org/model@v1.0", "org/model@../../x"):
        message = refusal(harness, ref)
        assert f"cannot fetch {ref} from the hub: " in message
        assert "HF_HUB_OFFLINE" in message


def test_fingerprint(folder: Path, tmp_path: Path) -> None:
    def now(where: Path = folder) -> str:
        return open_checkpoint(str(where)).fingerprint

    first = now()
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert now(copied) == first
    for name in ("README.md", "training.json", "trainer_state.json", "eval_results.json", "x.log"):
        (folder / name).write_text("{}")
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "config.json").write_text("{}")
    assert now() == first
    seen = {first}
    weights = bytearray((folder / "model.safetensors").read_bytes())
    stat = (folder / "model.safetensors").stat()
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert (folder / "model.safetensors").stat().st_size == stat.st_size
    seen.add(now())
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    seen.add(now())
    change(folder / "tokenizer.json", version="2.0")
    seen.add(now())
    change(folder / "preprocessor_config.json", min_pixels=5)
    seen.add(now())
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text("")
    seen.add(now())
    assert len(seen) == 6


def test_names(folder: Path) -> None:
    for ref in ("model", "./model/", "model/../model", str(folder)):
        checkpoint = open_checkpoint(ref)
        assert (checkpoint.name, checkpoint.revision, checkpoint.ref) == ("model", None, ref)
