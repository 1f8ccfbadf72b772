"""Scores in the forms other people read: tables, spreadsheets, model cards, lmms-eval files."""

from harness.export._load import GroupLine, Line, LoadedRun, load_runs
from harness.export._run import FORMATS, INTERVALS, ExportOptions, export
from harness.export._table import OTHER, Column, same_model

__all__ = [
    "FORMATS",
    "INTERVALS",
    "OTHER",
    "Column",
    "ExportOptions",
    "GroupLine",
    "Line",
    "LoadedRun",
    "export",
    "load_runs",
    "same_model",
]
