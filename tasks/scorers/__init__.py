"""Scorers: row and answer to values under both protocols, pure and small."""

from tasks.scorers._choice import ClassChoice, MultipleChoice
from tasks.scorers._classify import SceneClass
from tasks.scorers._multilabel import MultiLabel
from tasks.scorers._rouge import RougeL, rouge_l_sentence, rouge_l_summary
from tasks.scorers._vqa import ExactVqa, OpenClosedVqa

__all__ = [
    "ClassChoice",
    "ExactVqa",
    "MultiLabel",
    "MultipleChoice",
    "OpenClosedVqa",
    "RougeL",
    "SceneClass",
    "rouge_l_sentence",
    "rouge_l_summary",
]
