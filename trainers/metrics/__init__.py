"""Error rates of classifiers and localizers, average precision of detectors, recall of region proposals."""
