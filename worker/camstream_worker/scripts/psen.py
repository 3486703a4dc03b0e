"""cam_server's function ``psen``: profiles of two regions, the signal and what is beside it. The sample `psen` runs it."""

import json
from collections.abc import Mapping
from typing import Any

from camstream.frame import Axis, Image
from camstream_worker.scripts.cam_server_names.pipeline.data_processing.functions import get_region_of_interest, get_x_y_profile

REGIONS = ("roi_signal", "roi_background")


def process_image(
    image: Image, pulse_id: int, timestamp: tuple[int, int], x_axis: Axis, y_axis: Axis, parameters: dict[str, Any], bsdata: Any
) -> dict[str, Any]:
    """For each region that is set, ``CAMERA.REGION_x_profile``: the sums of its columns, shape (size_x,).

    ``CAMERA.processing_parameters`` tells both regions as JSON text. A region that does not fit is made smaller, then moved inside.

    :param parameters: ``roi_signal`` and ``roi_background``, each ``[offset_x, size_x, offset_y, size_y]`` or null
    :raises ValueError: if a region is anything else
    """
    del pulse_id, timestamp, x_axis, y_axis, bsdata
    camera, regions = parameters["camera_name"], {name: region(parameters, name) for name in REGIONS}
    profiles = {
        f"{camera}.{name}_x_profile": get_x_y_profile(get_region_of_interest(image, *wanted))[0]
        for name, wanted in regions.items()
        if wanted is not None
    }
    return {f"{camera}.processing_parameters": json.dumps(regions), **profiles}


def region(parameters: Mapping[str, Any], name: str) -> list[int] | None:
    """A region of the parameters; None where there is none.

    :raises ValueError: if it is not four whole numbers with sizes above 0
    """
    found = parameters.get(name)
    if found is None:
        return None
    whole = isinstance(found, (list, tuple)) and len(found) == 4 and all(type(value) is int for value in found)
    if not whole or found[1] < 1 or found[3] < 1:
        raise ValueError(f"{name}: expected [offset_x, size_x, offset_y, size_y] in whole pixels, found {found!r}; edit script.parameters")
    return list(found)
