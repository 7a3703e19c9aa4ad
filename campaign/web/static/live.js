// Live pages: say so when what is shown is no longer live.
"use strict";

(() => {
  const SILENT_MS = 6000;
  const places = () => document.querySelectorAll("[data-live]");
  const heard = new WeakMap();
  const over = new WeakSet();

  const show = (place, stale) => {
    const alert = place.querySelector("[data-stale]");
    if (!alert || alert.hidden !== stale) return;
    if (stale) {
      const at = heard.get(place);
      alert.querySelector("[data-stale-since]").textContent = at ? new Date(at).toLocaleTimeString("en-GB") : "before";
    }
    alert.hidden = !stale;
    place.classList.toggle("is-stale", stale);
  };

  document.addEventListener("htmx:sse:after:message", (event) => {
    const place = event.target.closest("[data-live]");
    if (!place) return;
    heard.set(place, Date.now());
    place.dataset.heard = "yes";
    show(place, false);
  });
  document.addEventListener("htmx:sse:close", (event) => {
    if (event.detail && event.detail.reason === "message") over.add(event.target);
  });

  addEventListener("DOMContentLoaded", () => places().forEach((place) => heard.set(place, Date.now())));
  setInterval(() => {
    if (document.hidden) return;
    for (const place of places()) {
      if (!over.has(place)) show(place, Date.now() - (heard.get(place) || 0) > SILENT_MS);
    }
  }, 1000);
  // In the background the browser lets the stream go: what it hears first afterwards is news again.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) places().forEach((place) => heard.set(place, Date.now()));
  });
})();
