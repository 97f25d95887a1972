"""Speed and memory, on bench/plant.yaml: ``make bench``."""
