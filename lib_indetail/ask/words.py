"""What the page says beside the tables of settings and options, in one place: every text here is translated."""

from __future__ import annotations

from lib_indetail.ask.page_order import FURTHER

IMAGE_PROMPT, RECONSTRUCTION, TASK, SHOW, REPORT = "Image prompt", "Reconstruction", "Task", "Show", "Report"
INTERPOLATE = "Interpolate"
MASKS, ADVANCED, MORE = "Masks", "Advanced", "More image prompts"
PREVIEW, FORGET, COPY = "Preview inversion", "Forget prepared image prompts", "Copy for a report"
SEND = "Send image to InDetail as its image prompt."
PRESETS, PRESET, NAME, LOOK = "Presets", "Preset", "Name", "Look for presets"
SAVE, RENAME, DELETE = "Save", "Rename", "Delete"
REFERENCE_MASK, OUTPUT_MASK = "Reference mask", "Output mask"
PAINT_REFERENCE, PAINT_OUTPUT = "Paint on the image prompt", "Paint on an empty image"
OWN = "Settings of its own"
FOLDER, PROMPTS, UPLOAD = "InDetail folder", "Image prompts", "Upload image prompts"
SUBFOLDER = "Or all pictures of this subfolder of the image prompt folder; . is the folder itself"
ONE, TOGETHER = "one picture per generation", "all together"

TASK_HELP = "A task sets some values for you; they are grey while it is chosen."
SHOW_HELP = "Extra images behind the result: what the inversion holds, masks at latent size, shares of attention."
PRESET_HELP = "Puts settings and task in the place of those of the page. Image prompts and masks stay."
NAME_HELP = "For Save and Rename."
REFERENCE_MASK_HELP = "What to take of the image prompt: what is painted, or white."
OUTPUT_MASK_HELP = "Where in the new image the image prompt acts: where it is painted, or white."
OWN_HELP = "Otherwise all but weight, strength and side are those of the first image prompt."
FOLDER_HELP = "One picture per generation: a generation for each image prompt, all with the same seed. All together: " \
              "up to eight image prompts in one. They take the place of the accordion's first image prompt, and its " \
              "settings; its reference mask is left out. A file that cannot be read is named and skipped."

OFF = "Off: images are made as without InDetail."
STRENGTH_ZERO = "Strength is 0: images are made as without InDetail."
NO_PICTURE = "Drop in an image prompt: new images will take over its fine details."
NOTHING_KEPT = "Nothing is kept of earlier image prompts."


def numbered(number: int) -> str:
    """A further image prompt's name."""
    return f"{IMAGE_PROMPT} {number}"


def every() -> set[str]:
    """All of them."""
    constants = {text for name, text in globals().items() if name.isupper() and isinstance(text, str)}
    return constants | {numbered(number) for number in FURTHER}
