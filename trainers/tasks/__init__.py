"""What is trained: classification, detection, localization."""
