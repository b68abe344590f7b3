"""Parts of two-stage detectors."""
