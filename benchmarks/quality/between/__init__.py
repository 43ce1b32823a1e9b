"""How even strips between two prompts are, by the authors' figures and beside their baselines."""
