"""Classification nets, one file for each family, and their registry."""

import sys

# Keras walks a model's graph depth first, a few calls a layer: a flat net of 1,202 layers needs more than Python's
# default of 1,000 to be built, saved or loaded.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
