"""Programs that InDetail runs in; each has a room that answers for it."""
