"""What is measured: task declarations, row sources and scorers. Imports nothing of ours."""

from tasks._errors import LabelError, UnreadableRow, UserError
from tasks._registry import GROUPS, TASKS, nearest, resolve
from tasks._types import (
    PROTOCOLS,
    Card,
    Column,
    HubDataset,
    ImageRef,
    ProtocolName,
    Row,
    RowSource,
    Rules,
    Scored,
    Scorer,
    Split,
    Task,
    Unreadable,
)

__all__ = [
    "GROUPS",
    "PROTOCOLS",
    "TASKS",
    "Card",
    "Column",
    "HubDataset",
    "ImageRef",
    "LabelError",
    "ProtocolName",
    "Row",
    "RowSource",
    "Rules",
    "Scored",
    "Scorer",
    "Split",
    "Task",
    "Unreadable",
    "UnreadableRow",
    "UserError",
    "nearest",
    "resolve",
]
