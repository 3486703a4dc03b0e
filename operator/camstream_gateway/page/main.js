// The page: which view is shown, and the keys.

import { helpDialog, STREAM_KEYS, typing } from "./keys.js";
import { Overview } from "./overview.js";
import { StreamView } from "./stream_view.js";

export const page = { view: null };

const place = document.getElementById("view");
const help = helpDialog();
document.body.append(help);
document.getElementById("help").addEventListener("click", () => help.showModal());

function open() {
  page.view?.close();
  const path = location.hash.replace(/^#\/?/, "");
  page.view = path.split("/").length === 3 ? new StreamView(path) : new Overview();
  place.replaceChildren(page.view.element);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
  if (event.key === "Escape" && page.view.escape?.()) {
    event.preventDefault();
    return;
  }
  if (event.key === "Escape" || (event.key === "o" && !typing(event))) {
    document.activeElement?.blur();
    location.hash = "#/";
  } else if (typing(event)) {
    return;
  } else if (event.key === "?") {
    help.showModal();
  } else if (event.key === "/" && page.view.search) {
    page.view.search.focus();
  } else {
    const found = STREAM_KEYS.find(([key]) => key === event.key || key === event.key.toLowerCase());
    // Space and Enter on a button press the button.
    if (!found || !page.view.act || (event.key === " " && event.target instanceof HTMLButtonElement)) return;
    page.view.act(found[3]);
  }
  event.preventDefault();
});

window.addEventListener("hashchange", open);
open();
