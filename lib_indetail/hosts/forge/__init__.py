"""The Forge family: hosts whose models are patched objects, and whose calls say what their rows are."""
