// The campaign's definition: a fault's button leads to its line; a file is read into the text.
"use strict";

(() => {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-line]");
    if (!button) return;
    const field = document.getElementById(button.dataset.in);
    const lines = field.value.split("\n");
    const at = Number(button.dataset.line) - 1;
    const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
    field.focus();
    field.setSelectionRange(start, start + (lines[at] || "").length);
    field.scrollTop = Math.max(0, at - 5) * (field.scrollHeight / lines.length);
  });
  document.addEventListener("change", (event) => {
    const into = event.target.dataset.readsInto;
    if (!into || !event.target.files.length) return;
    event.target.files[0].text().then((text) => {
      const field = document.getElementById(into);
      field.value = text;
      field.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
})();
