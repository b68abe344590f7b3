"""Data sets by format or origin, one file each; `trainers.data.registry` lists them."""
