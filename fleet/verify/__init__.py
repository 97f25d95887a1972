"""Reading back: what a run's logs hold, proven against its account, its digests and its scenario."""
