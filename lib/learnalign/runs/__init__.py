"""Runs: a report made unattended: parameters, processes, files in place, history."""
