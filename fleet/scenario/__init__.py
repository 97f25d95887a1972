"""Scenarios: YAML to a checked, frozen model, and the model expanded to machines."""
