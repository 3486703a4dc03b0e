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
