"""What becomes of a trained net: exports, predictions, servers, conformance."""
