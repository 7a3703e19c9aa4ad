// The console's own script: what a page can't do without one. Everything else works by forms and links.
"use strict";

(() => {
  // ── the viewer's time zone and theme, for the server to render with ──
  const remember = (name, value) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  };
  remember("zone", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const turnTheme = () => {
    const to = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = to;
    remember("theme", to);
    drawAll(document, true);
  };

  // ── dialogs, the menu, copying ──
  const opened = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || !dialog.showModal) return false;
    dialog.showModal();
    const first = dialog.querySelector("input:not([type=hidden]), select, textarea, button");
    if (first) first.focus();
    return true;
  };

  // A form with data-confirm asks first. Whatever the answer, it is the form that is sent: no script needed.
  const asksFirst = (form, submitter) => {
    const dialog = document.getElementById("confirm");
    if (!dialog || form.dataset.confirmed) return false;
    dialog.querySelector("h2").textContent = form.dataset.confirmTitle || "Are you sure?";
    dialog.querySelector("p").textContent = form.dataset.confirm;
    const yes = dialog.querySelector("[data-yes]");
    yes.textContent = form.dataset.confirmButton || "Yes";
    yes.onclick = () => {
      dialog.close();
      form.dataset.confirmed = "yes";
      form.requestSubmit(submitter);
      delete form.dataset.confirmed;
    };
    dialog.showModal();
    return true;
  };

  document.addEventListener("click", (event) => {
    const at = (what) => event.target.closest(what);
    const opener = at("[data-opens]");
    if (opener && opened(opener.dataset.opens)) event.preventDefault();
    const closer = at("[data-closes]");
    if (closer) closer.closest("dialog").close();
    if (event.target.tagName === "DIALOG") event.target.close();
    if (at("[data-theme-toggle]")) turnTheme();
    const menu = at("[data-menu]");
    if (menu) menu.setAttribute("aria-expanded", String(menu.closest(".side").classList.toggle("open")));
    const copier = at("[data-copies]");
    if (copier) {
      const field = document.getElementById(copier.dataset.copies);
      field.select();
      navigator.clipboard.writeText(field.value).then(() => { copier.lastChild.textContent = "Copied"; });
    }
  });
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.confirm && asksFirst(event.target, event.submitter)) event.preventDefault();
  });

  // ── htmx: each request carries the session's token; what fails says so at the top of the page ──
  document.addEventListener("htmx:config:request", (event) => {
    event.detail.ctx.request.headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf]").content;
  });

  // ── charts: uPlot is loaded when a page has one ──
  const tones = {
    success: "--success-solid", neutral: "--neutral-solid", failure: "--failure-solid", dnc: "--dnc-solid",
    warning: "--warning-solid", accent: "--accent", second: "--second", third: "--third",
  };
  let library = null;
  const plotLibrary = () => {
    library = library || new Promise((resolve, reject) => {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = document.querySelector("meta[name=plot-style]").content;
      const code = document.createElement("script");
      code.src = document.querySelector("meta[name=plot-script]").content;
      code.onload = resolve;
      code.onerror = reject;
      document.head.append(style, code);
    });
    return library;
  };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const draw = (figure) => {
    const place = figure.querySelector(".plot");
    const source = figure.querySelector("script[type='application/json']");
    if (!place || !source) return;
    const chart = JSON.parse(source.textContent);
    const x = chart.x.map((at, n) => (chart.instants ? Date.parse(at) / 1000 : n));
    const said = (value) => (value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: chart.places }) + chart.unit);
    // hours as 14:00, days as Nov 24: in the viewer's zone, as everywhere
    const clock = (form) => new Intl.DateTimeFormat("en", { ...form, timeZone: chart.zone });
    const hour = clock({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const day = clock({ month: "short", day: "numeric" });
    const named = (_, marks, _axis, _space, step) => marks.map((at) => {
      const time = hour.format(at * 1000);
      return step >= 86400 || time === "00:00" ? day.format(at * 1000) : time;
    });
    const bars = chart.series.some((one) => one.bars);
    const axis = { stroke: colour("--muted"), font: "12px " + colour("--font"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const options = {
      width: Math.max(place.clientWidth, 200),
      height: Number(figure.dataset.height) || 220,
      cursor: { y: false, points: { size: 7 } },
      legend: { show: false },
      scales: { x: { time: chart.instants, ...(bars && !chart.instants ? { range: [-0.6, x.length - 0.4] } : {}) }, y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
      tzDate: (stamp) => uPlot.tzDate(new Date(stamp * 1e3), chart.zone),
      axes: [
        { ...axis, ...(chart.instants ? { values: named } : { values: (_, marks) => marks.map((n) => chart.x[n] ?? ""), incrs: [1, 2, 5, 10, 20, 50] }), grid: { show: false } },
        { ...axis, size: 56, values: (_, marks) => marks.map(said) },
      ],
      series: [{}, ...chart.series.map((one) => {
        const stroke = colour(tones[one.tone] || "--accent");
        return {
          label: one.label, stroke, width: 2, value: (_, value) => said(value),
          fill: one.bars ? stroke : `color-mix(in srgb, ${stroke} 10%, transparent)`,
          points: { show: x.length < 3 },
          ...(one.bars ? { paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }), width: 0 } : {}),
        };
      })],
    };
    place.replaceChildren();
    figure.plot = new uPlot(options, [x, ...chart.series.map((one) => one.values)], place);
    figure.dataset.drawn = "yes";
  };
  const watched = new ResizeObserver((entries) => {
    for (const entry of entries) {
      const figure = entry.target.closest(".chart");
      const width = Math.round(entry.contentRect.width);
      if (figure.plot && width && width !== figure.plot.width) figure.plot.setSize({ width, height: figure.plot.height });
    }
  });
  const drawAll = (root, again = false) => {
    const figures = [...root.querySelectorAll(".chart")].filter((one) => again || !one.dataset.drawn);
    if (figures.length) {
      plotLibrary().then(() => figures.forEach((figure) => {
        draw(figure);
        const place = figure.querySelector(".plot");
        if (place) watched.observe(place);
      }));
    }
  };
  addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:after:swap", () => drawAll(document));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document, true));
})();
