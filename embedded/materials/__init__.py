"""Named silhouettes filled with photographed materials: what a model learns that shall be shown materials."""
