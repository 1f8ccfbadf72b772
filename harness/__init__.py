"""The core: requests, engines, journal, runs, results and statistics."""

__version__ = "0.1.0"
