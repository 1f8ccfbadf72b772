"""Scores in the forms other people read: tables, spreadsheets, model cards, lmms-eval files."""

from harness.export._load import GroupLine, Line, LoadedRun, load_runs
from harness.export._run import FORMATS, INTERVALS, ExportOptions, export

__all__ = [
    "FORMATS",
    "INTERVALS",
    "ExportOptions",
    "GroupLine",
    "Line",
    "LoadedRun",
    "export",
    "load_runs",
]
