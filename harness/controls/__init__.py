"""Controls: runs that show what a score is worth (blank pictures, other options, baselines)."""

from harness.controls._letters import letter_counts
from harness.controls._majority import commonest_answers
from harness.controls._options import OptionOrder, check_order, read_order
from harness.controls._relation import MAJORITY, Relation, relation
from harness.controls._swaps import OtherPictures

__all__ = [
    "MAJORITY",
    "OptionOrder",
    "OtherPictures",
    "Relation",
    "check_order",
    "commonest_answers",
    "letter_counts",
    "read_order",
    "relation",
]
