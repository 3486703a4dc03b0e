"""Where the beam is, by the pixels above a level; for the orbit feedback."""

import numpy as np
from cam_server.pipeline.data_processing.functions import get_x_y_profile


def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    level = parameters.get("level", 0.5)
    bright = image > level * float(image.max())
    x_profile, y_profile = get_x_y_profile(np.where(bright, image, 0))
    total = float(x_profile.sum())
    found = {"beam_found": int(total > 0), "beam_pixels": int(bright.sum())}
    if total > 0:
        found["beam_x"] = float((x_axis * x_profile).sum() / total)
        found["beam_y"] = float((y_axis * y_profile).sum() / total)
    return found
