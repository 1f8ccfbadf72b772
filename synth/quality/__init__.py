"""What synthesized data is worth: rated by a judge, by people, and counted."""

from synth.quality._report import check_report, report
from synth.quality._shown import print_scores

__all__ = ["check_report", "print_scores", "report"]
