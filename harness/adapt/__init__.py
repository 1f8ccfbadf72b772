"""`harness adapt`: from captions to a better model, and the verdict on it.

Every stage is a command of its own process (`harness eval`, `harness synth`, `harness train`), so
nothing here imports synthesis or training, and an engine's memory is given back before the next.
"""

from harness.adapt._inputs import Tools
from harness.adapt._processes import StageFailed
from harness.adapt._run import AdaptOptions, run_adapt

__all__ = ["AdaptOptions", "StageFailed", "Tools", "run_adapt"]
