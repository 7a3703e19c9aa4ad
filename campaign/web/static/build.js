// The campaign's definition: checked as it is written; faults at their fields; rows; the week drawn; a file read.
// Without this script each button asks the server.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);

  // ── checked as it is written ──
  let soon = 0;
  const look = (wait) => {
    clearTimeout(soon);
    soon = setTimeout(() => htmx.trigger("#checked", "look"), wait);
  };
  const written = (event) => {
    if (!event.target.closest("[data-definition]")) return false;
    look(event.type === "change" ? 150 : 600);
    return true;
  };
  document.addEventListener("input", written);
  document.addEventListener("change", (event) => {
    const into = event.target.dataset.readsInto;
    if (into) {
      if (event.target.files.length) {
        event.target.files[0].text().then((text) => { byId(into).value = text; look(0); });
      }
      return;
    }
    written(event);
  });

  // ── what is wrong stands at its field ──
  const tell = () => {
    const told = byId("errors");
    const form = byId("definition");
    if (!told || !form) return;
    const errors = JSON.parse(told.textContent);
    for (const note of form.querySelectorAll(".note.error[id$='-error']")) {
      const name = note.id.slice(0, -"-error".length);
      const why = errors[name] || "";
      const field = byId(name);
      note.hidden = !why;
      note.querySelector("span").textContent = why;
      note.parentElement.closest(".field, .day").classList.toggle("wrong", Boolean(why));
      if (!field) continue;
      if (why) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  };
  const goTo = (field) => {
    for (let at = field.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    field.focus();
    field.scrollIntoView({ block: "center" });
  };

  // ── rows: one more is a copy of the last, emptied ──
  const named = (root, change) => {
    for (const one of [root, ...root.querySelectorAll("*")]) {
      for (const name of ["id", "name", "for", "aria-describedby", "value", "aria-label"]) {
        if (name === "value" && one.tagName !== "BUTTON") continue;
        if (one.hasAttribute(name)) one.setAttribute(name, change(one.getAttribute(name)));
      }
    }
  };
  const add = (group) => {
    const rows = [...group.querySelectorAll("[data-row]")];
    const last = rows.at(-1);
    const at = Number(last.dataset.row);
    const made = last.cloneNode(true);
    made.dataset.row = at + 1;
    const old = `${group.dataset.rows}.${at}`;
    named(made, (text) => text.replaceAll(old, `${group.dataset.rows}.${at + 1}`).replace(/ \d+$/, ` ${at + 2}`));
    const says = made.querySelector("[data-says]");
    says.textContent = says.textContent.replace(/\d+$/, String(at + 2));
    for (const field of made.querySelectorAll("input, textarea, select")) {
      if (field.type === "checkbox") field.checked = false;
      else if (field.tagName === "SELECT") field.selectedIndex = 0;
      else field.value = "";
      field.removeAttribute("aria-invalid");
    }
    for (const note of made.querySelectorAll(".note.error")) note.hidden = true;
    for (const field of made.querySelectorAll(".wrong")) field.classList.remove("wrong");
    last.after(made);
    made.querySelector("input, textarea").focus();
  };
  const drop = (row) => {
    const group = row.closest("[data-rows]");
    const next = row.nextElementSibling || row.previousElementSibling;
    if (group.querySelectorAll("[data-row]").length === 1) {
      for (const field of row.querySelectorAll("input:not([type=checkbox]), textarea")) field.value = "";
      row.querySelector("input, textarea").focus();
    } else {
      row.remove();
      next.querySelector("input, textarea, button").focus();
    }
    look(0);
  };

  // ── the week: each bar shows its day's hours, and hours drawn on it are written into the field ──
  const STEP = 30;
  const spans = (text) => {
    const found = [];
    for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
      const hours = /^(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)$/.exec(part);
      if (!hours) return [];
      const [from, to] = [60 * hours[1] + Number(hours[2]), 60 * hours[3] + Number(hours[4])];
      if (from < to && to <= 1440) found.push([from, to]);
    }
    return found;
  };
  const clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const draw = (bar) => {
    const place = bar.querySelector("g");
    place.replaceChildren(...spans(byId(bar.dataset.bar).value).map(([from, to]) => {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("class", "accent");
      rect.setAttribute("x", from);
      rect.setAttribute("width", to - from);
      rect.setAttribute("height", 24);
      return rect;
    }));
  };
  // Open or shut from one minute to another, the other hours as they were.
  const painted = (known, from, to, open) => {
    const rest = [];
    for (const [a, b] of known) {
      if (a < from) rest.push([a, Math.min(b, from)]);
      if (b > to) rest.push([Math.max(a, to), b]);
    }
    if (open) rest.push([from, to]);
    rest.sort((one, other) => one[0] - other[0]);
    const joined = [];
    for (const [a, b] of rest) {
      if (joined.length && joined.at(-1)[1] >= a) joined.at(-1)[1] = Math.max(joined.at(-1)[1], b);
      else joined.push([a, b]);
    }
    return joined;
  };
  const minute = (bar, event) => {
    const box = bar.getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.9999);
    return Math.floor((part * 1440) / STEP) * STEP;
  };
  let drawing = null;
  document.addEventListener("pointerdown", (event) => {
    const bar = event.target.closest("[data-bar]");
    if (!bar || event.button) return;
    const at = minute(bar, event);
    const known = spans(byId(bar.dataset.bar).value);
    drawing = { bar, at, known, open: !known.some(([a, b]) => a <= at && at < b) };
    bar.setPointerCapture(event.pointerId);
    paint(event);
  });
  const paint = (event) => {
    if (!drawing) return;
    const to = minute(drawing.bar, event);
    const [from, until] = [Math.min(drawing.at, to), Math.max(drawing.at, to) + STEP];
    const found = painted(drawing.known, from, until, drawing.open);
    byId(drawing.bar.dataset.bar).value = found.map(([a, b]) => `${clock(a)}-${clock(b)}`).join(", ");
    draw(drawing.bar);
  };
  document.addEventListener("pointermove", paint);
  for (const kind of ["pointerup", "pointercancel"]) {
    document.addEventListener(kind, () => { if (drawing) look(0); drawing = null; });
  }
  document.addEventListener("input", (event) => {
    const bar = document.querySelector(`[data-bar="${CSS.escape(event.target.id)}"]`);
    if (bar) draw(bar);
  });
  const asOne = (button) => {
    const first = byId(`schedule.week.${button.dataset.weekAs}`).value;
    for (const day of ["mon", "tue", "wed", "thu", "fri"]) {
      const field = byId(`schedule.week.${day}`);
      field.value = first;
      draw(document.querySelector(`[data-bar="schedule.week.${day}"]`));
    }
    look(0);
  };

  // ── buttons ──
  document.addEventListener("click", (event) => {
    const at = (what) => event.target.closest(what);
    const line = at("[data-line]");
    if (line) {
      const field = byId(line.dataset.in);
      const lines = field.value.split("\n");
      const number = Number(line.dataset.line) - 1;
      const start = lines.slice(0, number).reduce((sum, one) => sum + one.length + 1, 0);
      field.focus();
      field.setSelectionRange(start, start + (lines[number] || "").length);
      field.scrollTop = Math.max(0, number - 5) * (field.scrollHeight / lines.length);
      return;
    }
    const link = at("[data-goes]");
    if (link && byId(link.dataset.goes)) {
      event.preventDefault();
      goTo(byId(link.dataset.goes));
      return;
    }
    const same = at("[data-week-as]");
    if (same) asOne(same);
    const button = at("button[name='do']");
    if (!button) return;
    const row = at("[data-row]");
    if (button.value.startsWith("add:")) {
      event.preventDefault();
      add(at("[data-rows]"));
    } else if (button.value.startsWith("drop:") && row) {
      event.preventDefault();
      drop(row);
    }
  });

  document.addEventListener("htmx:after:swap", () => {
    tell();
    const refused = byId("refused");
    if (refused) refused.hidden = !byId("faults");
    const said = byId("said-so-far");
    if (!said) return;
    said.scrollTop = said.scrollHeight;
    if (said.dataset.seen) return;
    said.dataset.seen = "yes";
    if (byId("say")) byId("say").focus();
  });
  addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-week-as]")) button.hidden = false;
    // The spare row is for browsers without scripts, where there is a row already.
    for (const group of document.querySelectorAll("[data-rows]")) {
      const rows = [...group.querySelectorAll("[data-row]")];
      const fields = [...rows.at(-1).querySelectorAll("input:not([type=checkbox]), textarea")];
      if (rows.length > 1 && fields.every((field) => !field.value)) rows.at(-1).remove();
    }
    const first = document.querySelector("#definition [aria-invalid='true']");
    if (first) goTo(first);
  });
})();
