"""Recorded keys and values: how they are recorded, kept, and brought back."""
