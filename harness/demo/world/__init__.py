"""Toy worlds: drawn pictures of many domains, and what is said about them."""

from harness.demo.world._files import write_pairs, write_seed

__all__ = ["write_pairs", "write_seed"]
