// A WebSocket that comes back by itself and says how it is.

const FIRST_S = 0.5;
const LONGEST_S = 5;
const SILENT_MS = 6000; // the gateway says something every second
// After these codes asking again changes nothing: what is said before the reason, and what to do.
const FOR_GOOD = {
  4001: ["This stream cannot be shown", ""],
  4401: ["You must sign in again", "Reload this page to do so"],
  4403: ["You are not let in", "Reload this page when you have that right"],
};
const REFUSED = { 401: 4401, 403: 4403 };

export class Connection {
  /**
   * @param path of the WebSocket, on this host
   * @param on {text(object), frame(buffer), state(words, open)}: words are empty while all is well
   */
  constructor(path, on) {
    this.path = path;
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.on = on;
    this.delay = FIRST_S;
    this.closed = false;
    this.opened = 0;
    this.wake = () => { if (this.timer) { clearTimeout(this.timer); this.timer = null; this.open(); } };
    window.addEventListener("online", this.wake);
    this.open();
  }

  open() {
    this.heard = performance.now();
    const socket = (this.socket = new WebSocket(this.url));
    let live = false;
    socket.binaryType = "arraybuffer";
    this.on.state(this.opened ? "Connecting to the gateway again" : "Connecting to the gateway", false);
    socket.onopen = () => {
      live = true;
      this.opened += 1;
      this.delay = FIRST_S;
      this.on.state("", true);
    };
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      if (typeof data === "string") this.on.text(JSON.parse(data));
      else this.on.frame(data);
    };
    socket.onclose = async ({ code, reason }) => {
      const found = live ? [code, reason] : await this.refusal();
      if (socket === this.socket && socket.onclose) this.lost(...found);
    };
    clearInterval(this.watch);
    this.watch = setInterval(() => { if (performance.now() - this.heard > SILENT_MS) this.abandon(); }, 1000);
  }

  send(request) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.watch);
    window.removeEventListener("online", this.wake);
    this.socket.close();
  }

  /** The network may swallow everything without a word; then closing takes minutes, and is not waited for. */
  abandon() {
    const socket = this.socket;
    socket.onclose = null;
    socket.close();
    this.lost(0, "");
  }

  /** A browser does not tell why a WebSocket was not opened; the same path without one does. */
  async refusal() {
    try {
      const answer = await fetch(this.path, { cache: "no-store", credentials: "same-origin" });
      return [REFUSED[answer.status] ?? 0, (await answer.text()).trim().slice(0, 300)];
    } catch {
      return [0, ""];
    }
  }

  lost(code, reason) {
    clearInterval(this.watch);
    if (this.closed) return;
    if (FOR_GOOD[code]) {
      const [what, then] = FOR_GOOD[code];
      this.on.state([`${what}: ${reason}`, then].filter(Boolean).join(". "), false);
      return;
    }
    const why = code >= 4000 || code === 1013 ? reason : "The gateway does not answer";
    this.on.state(`${why}. Trying again in ${this.delay.toFixed(this.delay < 1 ? 1 : 0)} s`, false);
    this.timer = setTimeout(this.wake, this.delay * 1000);
    this.delay = Math.min(this.delay * 1.7, LONGEST_S);
  }
}
