"""Seed data: the conversations on which a synthesizer is tuned."""

from synth.seed._make import Seeded, make_seed, seed_config, seed_inputs
from synth.seed._rows import SeedRow

__all__ = ["SeedRow", "Seeded", "make_seed", "seed_config", "seed_inputs"]
