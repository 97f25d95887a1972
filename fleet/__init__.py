"""A simulated factory on Kafka."""
