"""What is free on the device that the host computes on."""

from __future__ import annotations

import psutil
import torch
from modules import devices


def free_memory() -> int:
    """Bytes: of a GPU also what torch holds and does not use."""
    if devices.device.type != "cuda":
        return psutil.virtual_memory().available
    free, _ = torch.cuda.mem_get_info(devices.device)
    return free + torch.cuda.memory_reserved(devices.device) - torch.cuda.memory_allocated(devices.device)
