"""Changes of built nets: batch normalization folded or left out, truncated SVD, any image size."""
