"""The tasks that nets are trained for: classification, detection, localization."""
