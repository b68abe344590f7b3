"""Changes to built nets: folded or removed batch normalization, truncated SVD, any image size."""
