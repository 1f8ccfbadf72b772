"""Questions and answers from templates over captions: no model, and nothing that is not written."""

from __future__ import annotations

from harness.requests import Sampling
from synth._text import pick
from synth._types import Pair, Reject, Triplet
from synth.generators._base import Answer, Ask, checked, rejected
from synth.generators._candidate import Candidate
from synth.generators._caption_rules import caption_candidates
from synth.generators._recipe import read_recipe
from synth.generators._recipe_rules import recipe_candidates


class Rules:
    """One question a caption, of those whose answer it states.

    Args:
        seed: Of the choice among questions and wordings; it hangs on the pair's id.
    """

    name = "rules"
    version = 1
    sees = False
    asks = False

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @property
    def config(self) -> dict[str, str | int]:
        """The seed."""
        return {"seed": self._seed}

    def sampling(self, drawn: Sampling) -> Sampling:
        """Nothing is drawn."""
        return drawn

    def ask(self, pair: Pair) -> Ask:
        """Nothing is asked."""
        return Ask(())

    def read(self, pair: Pair, answer: Answer) -> Triplet | Reject:
        """Fill a template that fits."""
        found = candidates(pair, self._seed)
        if not found:
            return rejected(pair, "no template", pair.caption)
        kind = pick(sorted({one.kind for one in found}), self._seed, pair.id, "kind")
        chosen = pick([o for o in found if o.kind == kind], self._seed, pair.id, "candidate")
        question = pick(chosen.questions, self._seed, pair.id, "wording")
        return checked(pair, question, chosen.informative, chosen.precise)


def candidates(pair: Pair, seed: int) -> list[Candidate]:
    """Every question that the rules find in a caption."""
    recipe = read_recipe(pair.caption)
    if recipe is not None:
        return recipe_candidates(recipe, seed, pair.id)
    return caption_candidates(pair.caption, seed, pair.id)
