"""A script as a file, with a library beside it in libraries/."""

from smoothing import moving_mean


def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
    spectrum = moving_mean(image.sum(axis=0), parameters["width"])
    return {"spectrum": spectrum, "spectrum_axis": x_axis, "spectrum_peak": x_axis[spectrum.argmax()]}
