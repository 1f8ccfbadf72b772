"""Where synthesis begins: pictures with what was written about them."""

from synth.pairs._open import Pairs, open_pairs
from synth.pairs._record import MOST_CAPTION

__all__ = ["MOST_CAPTION", "Pairs", "open_pairs"]
