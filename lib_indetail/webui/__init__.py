"""The AUTOMATIC1111 WebUI: the only modules that import the host's."""
