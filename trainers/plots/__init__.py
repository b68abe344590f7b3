"""Pictures: figures of results, and boxes drawn on images."""
