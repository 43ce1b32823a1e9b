"""One attention algebra, and the hooks by which rows of a UNet call follow its plans."""
