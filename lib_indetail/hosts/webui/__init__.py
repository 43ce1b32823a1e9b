"""What all WebUIs share: the page, the routes, a generation and its passes, the CFG denoiser."""
