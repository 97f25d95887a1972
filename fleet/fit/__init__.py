"""Fitting a machine kind to readings of real machines: ``fleet fit``."""
