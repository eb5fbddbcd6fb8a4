"""Decisions: values in, values out. No I/O, no clock and no randomness of their own."""
