"""Record batches to somewhere: Kafka, files, standard output, nowhere; and the raw reader of Kafka."""
