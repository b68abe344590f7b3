"""Arithmetic of boxes, images and bins on tensors, without weights."""
