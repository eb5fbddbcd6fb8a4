"""The life of a run: plan, submit, follow, account for."""
