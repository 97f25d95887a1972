"""A scenario described for others: its AsyncAPI document and page, its data dictionary."""
