"""What others use to fill Kafka, each as fast as it goes: one file a peer, the table in `table`."""
