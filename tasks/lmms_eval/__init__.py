"""Our tasks for stock lmms-eval: `lmms-eval --include_path FOLDER --tasks harness_biomed`.

Nothing here imports lmms-eval; it finds the YAML files, and they name functions of `stock`.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""What lmms-eval takes as `--include_path`."""
