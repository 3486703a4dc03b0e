"""Images as answers: PNG, and bytes in JSON."""

import asyncio
import base64

from aiohttp import hdrs, web

from camstream_gateway.cam_server.replies import Fields, number
from camstream_gateway.frames import Image
from camstream_gateway.picture import png


async def picture(request: web.Request, image: Image) -> web.Response:
    """A PNG of an image, as the parameters of the request want it.

    :raises CamstreamError: if they cannot be used
    """
    low, high, scale = number(request, "min_value"), number(request, "max_value"), number(request, "scale")
    colormap = request.query.get("colormap") or "rainbow"
    data = await asyncio.to_thread(png, image, scale=scale or 1.0, low=low, high=high, colormap=colormap)
    return web.Response(body=data, content_type="image/png", headers={hdrs.CACHE_CONTROL: "no-store"})


def image_bytes(image: Image) -> Fields:
    """An image as JSON carries it; its shape is (y, x)."""
    plain = image.astype(image.dtype.newbyteorder("<"), copy=False)
    return {"bytes": base64.b64encode(plain.tobytes()).decode(), "shape": list(plain.shape), "dtype": plain.dtype.str}
