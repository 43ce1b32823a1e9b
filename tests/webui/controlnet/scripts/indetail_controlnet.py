"""A test-only extension: lets ControlNet, whose sizes are SD 1.5's, load the embedded model's ControlNet, and presses
its StyleAlign box. It changes what ControlNet holds in memory; its files stay as they are."""

import sys

import torch
from fastapi import FastAPI
from modules import script_callbacks, scripts

SIZES = {"model_channels": 64, "channel_mult": [1, 2, 2], "transformer_depth": [1, 1, 1], "num_heads": 4}
LEVELS = 13  # residuals that ControlNet counts from the end; ours has fewer, so blanks go in front


def fit_to_the_embedded_model():
    guess, cldm = sys.modules["scripts.controlnet_model_guess"], sys.modules["scripts.cldm"]
    guess.controlnet_default_config.update(SIZES)
    forward = cldm.PlugableControlModel.forward
    if hasattr(forward, "padded"):
        return

    def padded_forward(self, *args, **kwargs):
        residuals = forward(self, *args, **kwargs)
        blanks = [torch.zeros_like(residuals[0][:, :1, :1, :1]) for _ in range(LEVELS - len(residuals))]
        return blanks + list(residuals)

    padded_forward.padded = True
    cldm.PlugableControlModel.forward = padded_forward


def add_routes(_, app: FastAPI):
    @app.post("/probe/style-align")
    def style_align(body: dict):
        for runner in (scripts.scripts_txt2img, scripts.scripts_img2img):
            for script in runner.alwayson_scripts:
                if hasattr(script, "ui_batch_option_state"):
                    script.ui_batch_option_state = [script.ui_batch_option_state[0], body["on"]]
        return {}


fit_to_the_embedded_model()
script_callbacks.on_app_started(add_routes)
