"""The process and its machine: distribution, files, locks, signals, progress, measurements, error messages."""
