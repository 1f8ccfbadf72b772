"""From a recipe's word to a generator."""

from __future__ import annotations

from harness.recipes._synth import SynthRecipe
from synth.generators._base import Generator


def make_generator(recipe: SynthRecipe) -> Generator:
    """The generator a recipe names; where captions alone are wanted, one that makes nothing."""
    if recipe.content == "captions":
        from synth.generators._captions import CaptionsOnly

        return CaptionsOnly()
    if recipe.generator == "synthesizer":
        from synth.generators._synthesizer import Synthesizer

        return Synthesizer(recipe.tune.seed_data.input if recipe.tune else "image_and_caption")
    if recipe.generator == "rules":
        from synth.generators._rules import Rules

        return Rules(recipe.seed)
    from synth.generators._llm import LanguageModel

    return LanguageModel(recipe.generator, recipe.seed)
