"""What is no number ends where it arises, with the stage in the sentence: no NaN of ours reaches the host as its."""

from __future__ import annotations

import torch

from lib_indetail.errors import CannotAct

VAE = "the VAE made NaN of the image prompt; try --no-half-vae"
INVERSION = "the inversion of the image prompt came to NaN; try --upcast-sampling or --no-half"
RECORD = "the record of the image prompt's keys and values came to NaN; try --upcast-sampling or --no-half"
ADAIN = "AdaIN made NaN of the initial noise"
COLOUR_MATCH = "the colour match made NaN of the prediction"
DETAIL = "the detail term made NaN of the prediction"


def finite(values: torch.Tensor, stage: str) -> torch.Tensor:
    """The values themselves. Raises CannotAct with the stage's sentence where one is NaN or infinite."""
    if not bool(values.isfinite().all()):
        raise CannotAct(stage)
    return values


def still_finite(before: torch.Tensor, after: torch.Tensor, stage: str) -> torch.Tensor:
    """What a stage of ours makes of the host's values. What was no number before is the host's to tell of."""
    if after is before or not bool(before.isfinite().all()):
        return after
    return finite(after, stage)
