"""What outlives a generation, in memory and on disk."""
