"""What all tests share."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the tiny Qwen2-VL, LLaVA-NeXT and Mllama, by `model_type`."""
    from harness.demo import make_models

    return make_models(tmp_path_factory.mktemp("tiny_models"))
