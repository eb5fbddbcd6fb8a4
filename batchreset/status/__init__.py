"""The status table: what is known of every row, and nothing else knows it better."""
