"""What must not change: many requests to a WebUI with an older commit, and with this one, compared pixel by pixel."""
