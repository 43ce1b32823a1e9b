"""InDetail: image prompts that keep fine details, by inversion and stratified self-attention.

After "Devil is in the Detail: Towards Injecting Fine Details of Image Prompt in Image Generation via
Conflict-free Guidance and Stratified Attention" (CVPR 2025). The core in this package knows tensors and torch
modules only; adapters for hosts live beside it.
"""

__version__ = "0.8.0"
