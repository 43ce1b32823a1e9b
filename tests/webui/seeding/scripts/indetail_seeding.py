"""A test-only extension: the host draws an initial picture's latent from the process's own random state, which is
set here before every generation, so that two hosts can be compared."""

import torch
from modules import scripts


class Seeding(scripts.Script):
    def title(self):
        return "InDetail seeding"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        torch.manual_seed(0)
