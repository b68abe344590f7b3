"""The training loop and its state, for any task."""
