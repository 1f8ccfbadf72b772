"""Contamination audit: test rows that have found their way into training data."""

from synth.audit._audit import AuditOptions, AuditOutcome, audit
from synth.audit._report import OWN_FILES, method_fingerprint, write_audit
from synth.audit._stage import audit_stage
from synth.audit._tests import open_tests

__all__ = [
    "OWN_FILES",
    "AuditOptions",
    "AuditOutcome",
    "audit",
    "audit_stage",
    "method_fingerprint",
    "open_tests",
    "write_audit",
]
