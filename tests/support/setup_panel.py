"""What somebody does with the panel "Set up" of the live page."""

import json

from chromium import Tab

OPEN = "return view.setup.base !== null && view.frame !== null && view.setup.told !== null"
FIELD = "const field = (path) => view.setup.fields.find((one) => one.path === path);"


async def look(tab: Tab, page: str, path: str = "pipeline/default/pipe") -> None:
    """Open a stream with its panel."""
    await tab.open(f"{page}#/{path}")
    await tab.wait("frames", "return view.frame !== null && view.status !== null")
    await tab.view("if (!view.setup.open) view.act('setup');")
    await tab.wait("the panel", OPEN)


async def enter(tab: Tab, path: str, *values: object) -> None:
    """Type into the inputs of a field."""
    given = json.dumps([str(value) for value in values])
    await tab.view(
        f"{FIELD} field('{path}').inputs.forEach((input, i) => {{"
        f" input.value = {given}[i]; input.dispatchEvent(new Event(input.tagName === 'SELECT' ? 'change' : 'input')); }});"
    )


async def apply(tab: Tab) -> None:
    await tab.view("view.setup.apply.click();")


async def applied(tab: Tab) -> None:
    await tab.wait("applied", "return view.setup.outcome.textContent === 'Applied'")


async def drag(tab: Tab, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press at one place of the image [pixel], move, and let go at another."""
    places = []
    for x, y in (start, end):
        places.append(
            await tab.view(
                "const { plot } = view.figure.at; const part = view.figure.part(); const box = view.figure.drawing.getBoundingClientRect();"
                f" return [box.left + plot.x + ({x} - part.x) / part.width * plot.width,"
                f" box.top + plot.y + ({y} - part.y) / part.height * plot.height];"
            )
        )
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}
    (x, y), (to_x, to_y) = places
    await tab.move(x, y)
    await tab.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
    for step in (0.3, 0.7, 1.0):
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + step * (to_x - x), y=y + step * (to_y - y), **mouse)
    await tab.call("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=to_y, **mouse)
