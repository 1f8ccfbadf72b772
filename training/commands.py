"""The commands that start a prepared run, for each way of having several machines."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from training.job import Job
from training.presets import Settings


def commands_of(settings: Settings, folder: Path) -> dict[str, str]:
    """Name of a way to the command.

    Args:
        settings: Of the run.
        folder: Its prepared folder, which all machines see.
    """
    place, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
    nodes, gpus = settings.nodes, settings.gpus
    module = f"-m training.run {place}"
    own = f"export PYTHONSAFEPATH=1 TORCH_EXTENSIONS_DIR={place}/torch_extensions"
    rendezvous = "--rdzv_backend c10d --rdzv_id train --rdzv_endpoint FIRST_MACHINE:29500"
    found = {"one machine": f"{own}\n{python} -m torch.distributed.run --standalone "
             f"--nproc_per_node {gpus} {module}"}  # fmt: skip
    found["torchrun, on every machine"] = (
        f"{own}\n{python} -m torch.distributed.run --nnodes {nodes} --nproc_per_node {gpus} "
        f"{rendezvous} {module}"
    )
    hosts = "\\n".join(f"machine{i + 1} slots={gpus}" for i in range(nodes))
    found["deepspeed, on the first machine (needs ssh to the others)"] = (
        f"{own}\nprintf '{hosts}\\n' > {place}/hostfile\n"
        f"printf 'PYTHONSAFEPATH=1\\n' > .deepspeed_env\n"
        f"{python} -m deepspeed.launcher.runner --hostfile {place}/hostfile --module training.run "
        f"{place}"
    )
    # One launcher a machine; the first of the job's machines is where they meet.
    found["Slurm (sbatch)"] = "\n".join((
        "#!/bin/bash",
        f"#SBATCH --nodes={nodes} --ntasks-per-node=1 --gpus-per-node={gpus}",
        # The step ends and a state is saved before the time is up.
        "#SBATCH --signal=B:TERM@300",
        own,
        f"trap 'touch {place}/stop; wait' TERM",
        'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        f"srun {python} -m torch.distributed.run --nnodes {nodes} --nproc_per_node {gpus} "
        f'--rdzv_backend c10d --rdzv_id "$SLURM_JOB_ID" --rdzv_endpoint "$first:29500" {module} &',
        "wait",
    ))  # fmt: skip
    if nodes > 1:
        del found["one machine"]
    return found


def printed_commands(job: Job) -> str:
    """All ways, for people."""
    found = commands_of(job.settings, job.folder)
    return "\n\n".join(f"# {way}\n{command}" for way, command in found.items())
