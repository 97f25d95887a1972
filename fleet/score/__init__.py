"""Scoring: a detector's alerts held against the labels of a run."""
