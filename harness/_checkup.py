"""What `harness doctor` finds: each piece, whether it works, what it is for, what mends it."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness import _mending, environment

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_CHECKOUT = Path(__file__).parent.parent
_OUR_NAME = "domain-harness"

# Packages that are shown even when all is well; any other is named once it is missing or unfit.
_PURPOSES = {
    "transformers": "loads checkpoints",
    "datasets": "reads tasks from the hub",
    "deepspeed": "trains across several GPUs",
    "peft": "trains low-rank adapters",
    "ray": "spreads an evaluation over machines",
    "lmms-eval": "brings the tasks named lmms_eval:NAME",
    "streamlit": "shows the leaderboard",
}
# The one check that imports: only loading them tells whether these two fit each other.
_PROBE = """
import json
answer = {"torch": None, "torchvision": None, "gpus": 0}
piece = "torch"
try:
    import torch
    answer["gpus"] = torch.cuda.device_count()
    piece = "torchvision"
    import torchvision
except Exception as error:
    answer[piece] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(answer))
"""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One thing an evaluation or another command builds on."""

    name: str
    version: str | None = None
    status: Literal["ok", "missing", "broken"] = "ok"
    detail: str = ""
    """What it is, or what is wrong with it."""
    purpose: str = ""
    essential: bool = False
    """Whether `harness eval` cannot work without it."""
    mend: str | None = None
    """The command that mends it; None where it is well or no command can."""


def check_up() -> list[Piece]:
    """Look at everything, in the order in which one would read it. Takes about 4 seconds."""
    probe = subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", "-c", _PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    packages = _packages()
    gpus, vllm, compiler = environment.gpus(), _vllm(), _compiler()
    seen = _probed(probe)
    core = [piece for piece in packages if piece.name not in ("torch", "torchvision")]
    return [
        Piece(name="Python", version=platform.python_version(), detail=sys.executable),
        Piece(name="machine", detail=environment.machine()),
        _torch(packages, seen),
        _torchvision(packages, seen),
        _gpu(gpus, seen),
        *(piece for piece in core if piece.essential),
        vllm,
        *(piece for piece in core if not piece.essential),
        compiler,
    ]


def _probed(probe: subprocess.Popen[bytes]) -> dict[str, Any]:
    try:
        output, _ = probe.communicate(timeout=120)
        return dict(json.loads(output.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        probe.kill()
        reason = "its import did not end within 2 minutes"
    except (IndexError, ValueError):
        reason = f"its import ended the interpreter (exit code {probe.returncode})"
    return {"torch": reason, "torchvision": None, "gpus": 0}


def _packages() -> list[Piece]:
    pieces = [
        _package(requirement, essential)
        for requirement, essential in _requirements()
        if requirement.marker is None or requirement.marker.evaluate()
    ]
    shown = [name for name in ("torch", "torchvision", *_PURPOSES)]
    wanted = [piece for piece in pieces if piece.name in shown or piece.status != "ok"]
    return sorted(wanted, key=lambda p: shown.index(p.name) if p.name in shown else len(shown))


def _requirements() -> list[tuple[Requirement, bool]]:
    """What pyproject.toml asks for, and whether without any extra; vLLM and `dev` left out."""
    from packaging.requirements import Requirement

    pyproject = _CHECKOUT / "pyproject.toml"
    if pyproject.is_file():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        optional = project["optional-dependencies"]
        core = [Requirement(line) for line in project["dependencies"]]
        others = {
            extra: [Requirement(line) for line in lines] for extra, lines in optional.items()
        }
    ...
    return []
