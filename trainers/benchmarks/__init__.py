"""What `trainers.benchmark` measures."""
