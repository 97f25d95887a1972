"""Records that were sent once, sent again: recordings of runs and topics, and readings of other people's plants."""
