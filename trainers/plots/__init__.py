"""Pictures: charts of results, and boxes drawn on images."""
