"""Pictures of what a scenario does, made from the simulation itself: no Kafka, no clock, no network."""
