"""What a person asks for: settings, image prompts and their masks, presets, and all of it in an infotext."""
