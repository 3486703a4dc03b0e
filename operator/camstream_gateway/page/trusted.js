// The one address that may become a script here. The content-security policy refuses every other.

const WORKER = "/page/pixels_worker.js";

const policy = window.trustedTypes?.createPolicy("camstream", {
  createScriptURL: (url) => {
    if (url !== WORKER) throw new TypeError(`not a script of this page: ${url}`);
    return url;
  },
});

export function workerUrl() {
  return policy ? policy.createScriptURL(WORKER) : WORKER;
}
