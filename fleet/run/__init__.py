"""One run: its plan, the clock, the pipeline from blocks to sinks, the account and the report."""
