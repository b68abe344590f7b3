"""The machine and the process: devices, files, signals, error messages."""
