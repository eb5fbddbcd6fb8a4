"""Looking for whatever would keep a run from working, each thing by itself, before there is an incident."""
