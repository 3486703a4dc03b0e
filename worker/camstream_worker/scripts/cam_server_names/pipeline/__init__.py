"""See :mod:`cam_server`."""
