"""Classification nets, one file for each family, and their registry."""

import sys

# Keras walks a graph depth first, with a Python call for each layer, so a flat net of 1,202 layers needs more than the
# default limit of 1,000. It is raised at import because `keras.models.load_model`, `clone_model` and `keras.Model` walk
# such nets as well, without calling this package first: a user who loads one only imports keras_resnets.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
