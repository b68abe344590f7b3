"""Region proposals from outside the detector: methods, a cache, and data sets that have them."""
