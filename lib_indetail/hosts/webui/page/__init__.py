"""The accordion, the scripts' controls, and what they say."""
