"""A simulated tenant on this machine: directory, resets, operations, quotas, faults, and a record of it all."""
