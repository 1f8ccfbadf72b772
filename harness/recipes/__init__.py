"""Recipes: typed YAML that says what is synthesized, trained and evaluated."""

from harness.recipes._base import ModelUse, Section
from harness.recipes._load import Source, parse, read_recipe
from harness.recipes._recipe import EvalRecipe, Recipe
from harness.recipes._synth import (
    DedupRecipe,
    FilterRecipe,
    SamplingRecipe,
    SeedRecipe,
    SynthRecipe,
    TuneRecipe,
)
from harness.recipes._train import LoraRecipe, TrainRecipe

__all__ = [
    "DedupRecipe",
    "EvalRecipe",
    "FilterRecipe",
    "LoraRecipe",
    "ModelUse",
    "Recipe",
    "SamplingRecipe",
    "Section",
    "SeedRecipe",
    "Source",
    "SynthRecipe",
    "TrainRecipe",
    "TuneRecipe",
    "parse",
    "read_recipe",
]
