"""What turns a pair into instruction, informative and precise answer."""

from synth.generators._base import Generator
from synth.generators._choose import make_generator

__all__ = ["Generator", "make_generator"]
