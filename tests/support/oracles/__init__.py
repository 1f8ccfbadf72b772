"""Slow, plain transcriptions of the published scoring rules, and adversarial texts for them."""
