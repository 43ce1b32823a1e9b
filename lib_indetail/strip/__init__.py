"""Strips of images between two ends: where their frames lie, how far neighbours are apart, which are chosen."""
