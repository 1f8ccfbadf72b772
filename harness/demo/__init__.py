"""What `harness demo` shows: tiny models that run anywhere."""

from harness.demo._tiny import make_models

__all__ = ["make_models"]
