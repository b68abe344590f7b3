"""Trained nets in use: exports, predictions, servers, conformance."""
