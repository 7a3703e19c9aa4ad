// The upload page: a file that is dropped is a file that was chosen; while it is sent, a bar shows how far it is.
// Without this script the form is sent as any other.
"use strict";

(() => {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const drop = form.querySelector(".drop");
  const field = form.querySelector("input[type=file]");
  const sending = form.querySelector(".sending");
  const said = form.querySelector("[data-said]");
  const bar = form.querySelector(".sending progress");
  const refused = document.querySelector("[data-refused]");
  const mb = (bytes) => (bytes / 1048576).toLocaleString("en", { maximumFractionDigits: 1 });

  const refuse = (what, todo) => {
    const alert = document.createElement("div");
    alert.className = "alert failure";
    alert.setAttribute("role", "alert");
    const words = document.createElement("div");
    for (const [text, name] of [[what, ""], [todo, "do"]]) {
      if (!text) continue;
      const line = document.createElement("p");
      line.textContent = text;
      line.className = name;
      words.append(line);
    }
    alert.append(words);
    refused.replaceChildren(alert);
    sending.hidden = true;
    form.querySelectorAll("button, input").forEach((one) => { one.disabled = false; });
  };

  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    field.files = event.dataTransfer.files;
    form.requestSubmit();
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = field.files[0];
    const most = Number(form.dataset.most);
    refused.replaceChildren();
    if (file.size > most) {
      refuse(`${file.name} has ${mb(file.size)} MB; at most ${mb(most)} MB are read.`, "Cut it in pieces, each with the header.");
      return;
    }
    const request = new XMLHttpRequest();
    const body = new FormData(form);
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRF-Token", document.querySelector("meta[name=csrf]").content);
    request.upload.addEventListener("progress", (at) => {
      if (!at.lengthComputable) return;
      bar.value = at.loaded / at.total;
      said.textContent = at.loaded < at.total ? `${mb(at.loaded)} of ${mb(at.total)} MB are sent…` : "Sent. Looking at its first rows…";
    });
    request.addEventListener("load", () => {
      if (request.status < 400) {
        location.assign(request.responseURL);
        return;
      }
      if (request.getResponseHeader("Content-Type").startsWith("text/html")) {
        const lines = new DOMParser().parseFromString(request.responseText, "text/html").querySelectorAll("main .alert.failure p");
        refuse(lines[0] ? lines[0].textContent : "The file was refused.", lines[1] ? lines[1].textContent : "");
      } else {
        let told = {};
        try { told = JSON.parse(request.responseText); } catch { /* a proxy's own page */ }
        refuse(told.detail || `The file was refused (${request.status}).`, told.do || "");
      }
    });
    request.addEventListener("error", () => refuse("The connection broke off while the file was sent.", "Try again."));
    sending.hidden = false;
    said.textContent = `${file.name} is being sent…`;
    request.send(body);
    form.querySelectorAll("button, input").forEach((one) => { one.disabled = true; });
  });
})();
