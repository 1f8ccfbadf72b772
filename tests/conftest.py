"""What all tests share."""

import os
from pathlib import Path

import pytest
from harness_helpers import SHARED, Harness
from hypothesis import settings

# A machine that is busy with something else is no failure.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the tiny Qwen2-VL, LLaVA-NeXT and Mllama, by `model_type`."""
    from harness.demo import make_models

    return make_models(tmp_path_factory.mktemp("tiny_models"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests of vLLM where there is none; on CI that is a failure."""
    if item.get_closest_marker("vllm") is None:
        return
    from harness.environment import choose_vllm, vllm_install

    vllm = vllm_install()
    if vllm is not None and vllm.problem is None:
        return
    choice = choose_vllm()
    missing = f"vLLM is not installed; set-up takes {choice.extra}: {choice.reason}"
    reason = vllm.problem if vllm else missing
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason} (on CI this is no reason to skip)", pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture
def harness(capsys: pytest.CaptureFixture[str]) -> Harness:
    """The command, called in this process."""
    return Harness(capsys)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a folder of its own, which holds `tasks` and `training` as a trap."""
    for name in ("tasks", "training"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Small real rows beside the checkout."""
    if SHARED is None:
        pytest.skip("no shared/data above the checkout")
    return SHARED / "data"
