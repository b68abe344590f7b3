"""Plots of results, and boxes drawn on images."""
