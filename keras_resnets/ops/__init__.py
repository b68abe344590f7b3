"""Arithmetic on boxes, images and bins, without weights."""
