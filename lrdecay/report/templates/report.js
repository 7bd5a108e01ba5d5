/* The report page at work: filters, sorting, colours; what its other parts do is put together here.

The page is whole without this script; all controls are made here. What is filtered and sorted stands
in the URL's fragment alone, e.g. #scheduler=cosine&scheduler=step&dropout=0.3&sort-runs=-4, so a
link or the back button brings it back. Every element of <main> that carries data-AXIS is about that
value and is hidden while the filter excludes it, but for entries of legends, which bring it back;
`figures.js` then closes the gaps. All text reaches the page as text, never as HTML. */
const THEME = "lrdecay-colours";

/* ---- the state: { only: Map axis -> Set of values, sorts: Map table id -> column, at: id } ---- */

/* Columns count from 1 and are negative for a descending order. */
function parseState(fragment, axes) {
  const state = { only: new Map(), sorts: new Map(), at: null };
  for (const [key, value] of new URLSearchParams(fragment.replace(/^#/, ""))) {
    if (axes.get(key)?.includes(value)) {
      if (!state.only.has(key)) state.only.set(key, new Set());
      state.only.get(key).add(value);
    } else if (/^sort-./.test(key) && /^-?[1-9]\d{0,3}$/.test(value)) {
      state.sorts.set(key.slice(5), Number(value));
    } else if (key === "at") {
      state.at = value;
    }
  }
  return state;
}

function formatState({ only, sorts, at }) {
  const pairs = [...only].flatMap(([axis, values]) => [...values].map((value) => [axis, value]));
  for (const [id, column] of sorts) pairs.push([`sort-${id}`, String(column)]);
  if (at) pairs.push(["at", at]);
  return `#${new URLSearchParams(pairs)}`;
}

/* ---- axes and filters ---- */

/* Axis -> its values: numbers in order, names as they first appear. What rows are about are axes. */
function findAxes(rows, elements) {
  const named = rows.flatMap(attributesOf).map(([axis]) => axis);
  const found = new Map(["scheduler", "dropout", ...named].map((axis) => [axis, new Set()]));
  for (const element of elements) {
    for (const [axis, value] of attributesOf(element)) found.get(axis)?.add(value);
  }
  const axes = new Map();
  for (const [axis, values] of found) {
    const list = [...values];
    if (!list.some((value) => Number.isNaN(numberOf(value)))) list.sort((a, b) => a - b);
    if (list.length > 1) axes.set(axis, list);
  }
  return axes;
}

function excluded(element, only) {
  return attributesOf(element).some(([axis, value]) => only.has(axis) && !only.get(axis).has(value));
}

function filterGroup(axis, values, changed) {
  const boxes = values.map((value) => {
    const box = make("input", { type: "checkbox", name: axis });
    box.value = value;
    box.addEventListener("change", changed);
    return make("label", {}, box, value || "(empty)");
  });
  return make("fieldset", {}, make("legend", {}, axis), ...boxes);
}

/* ---- colours ---- */

function remembered() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null; // a page without storage, such as one in a sandbox
  }
}

function setTheme(theme) {
  const known = ["light", "dark"].includes(theme);
  document.documentElement.style.colorScheme = known ? theme : "";
  return known ? theme : "system";
}

function themeChoice() {
  const words = { system: "system colours", light: "light", dark: "dark" };
  const options = Object.entries(words).map(([value, text]) => make("option", { value }, text));
  const select = make("select", { "aria-label": "Colours" }, ...options);
  select.value = setTheme(remembered());
  select.addEventListener("change", () => {
    setTheme(select.value);
    try {
      localStorage.setItem(THEME, select.value);
    } catch {
      // then it holds until the page is closed
    }
  });
  return select;
}

/* ---- all together ---- */

function start() {
  const main = document.querySelector("main");
  const tables = [...main.querySelectorAll("table.listing[id]")];
  const about = [...main.querySelectorAll("*:not(.legend > li)")].filter(
    (element) => attributesOf(element).length,
  );
  const figures = [...main.querySelectorAll("svg.plot")].map(measureFigure);
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  const axes = findAxes(rows, [...document.querySelectorAll(".keys > *"), ...about]);
  const readState = () => parseState(location.hash, axes);

  function go(state) {
    history.pushState(null, "", formatState(state));
    apply(state);
  }

  const changed = () => {
    const only = new Map();
    for (const { name, value } of panel.querySelectorAll("input:checked")) {
      only.set(name, (only.get(name) ?? new Set()).add(value));
    }
    go({ ...readState(), only, at: null });
  };
  const sorted = (id, column) => {
    const state = readState();
    state.sorts.delete(id);
    if (column) state.sorts.set(id, column);
    go({ ...state, at: null });
  };

  const status = make("span", { role: "status", id: "shown" });
  const said = make("span", { role: "status", id: "said" });
  const say = (text) => (said.textContent = text);
  const groups = [...axes].map(([axis, values]) => filterGroup(axis, values, changed));
  const hint = make("p", { class: "hint" }, "Tick what to show; an axis without a tick shows all.");
  const panel = make("div", { class: "filters" }, hint, ...groups);
  const names = [...axes.keys()].join(", ");
  const everything = button("Show all", { id: "show-all" }, () =>
    go({ ...readState(), only: new Map(), at: null }),
  );
  const bar = make("div", { id: "bar", role: "search", "aria-label": "What the page shows" });
  if (axes.size) bar.append(make("details", {}, make("summary", {}, `Filter by ${names}`), panel));
  bar.append(status, everything, said, themeChoice());
  main.before(bar);
  const whole = make(
    "p",
    { id: "whole", class: "note" },
    "The answer above, and counts in sentences and captions, are of all runs, whatever is filtered; " +
      "rows, verdicts, panels and marks follow the filter.",
  );
  (main.querySelector(".headline") ?? main.querySelector("h1")).after(whole);
  const counts = tables.map((table) => tableTools(table, say));
  for (const table of tables) makeSortable(table, sorted);
  readOutFigures(main);
  const toggle = (scheduler) => {
    const state = readState();
    const all = axes.get("scheduler");
    const shown = new Set(state.only.get("scheduler") ?? all);
    if (!shown.delete(scheduler)) shown.add(scheduler);
    if (shown.size && shown.size < all.length) state.only.set("scheduler", shown);
    else state.only.delete("scheduler");
    go({ ...state, at: null });
  };
  const legends = axes.has("scheduler") ? setUpLegends(main, toggle) : [];
  offerPictures(main, say);

  function apply({ only, sorts, at }) {
    for (const box of panel.querySelectorAll("input")) {
      box.checked = only.get(box.name)?.has(box.value) ?? false;
    }
    for (const element of main.querySelectorAll("[hidden]")) element.removeAttribute("hidden");
    for (const element of about) element.toggleAttribute("hidden", excluded(element, only));
    arrangeFigures(main, figures);
    markLegends(legends, only.get("scheduler"));
    tables.forEach((table, i) => {
      sortTable(table, sorts.get(table.id));
      const shown = table.originalRows.filter(visible).length;
      counts[i].textContent = `${shown} of ${table.originalRows.length} rows`;
    });
    const chosen = [...only].map(([axis, values]) => `${axis} ${[...values].join(" or ")}`);
    const shown = `${rows.filter(visible).length} of ${rows.length} table rows shown`;
    status.textContent = only.size ? `${chosen.join(", ")}: ${shown}` : shown;
    bar.classList.toggle("filtered", only.size > 0);
    everything.hidden = only.size === 0;
    whole.hidden = only.size === 0;
    say("");
    fitContents();
    fit();
    if (at) document.getElementById(at)?.scrollIntoView();
  }

  // A link within the page keeps what is filtered and sorted.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    const state = readState();
    if (!link || !(state.only.size || state.sorts.size)) return;
    event.preventDefault();
    const at = decodeURIComponent(link.hash.slice(1));
    go({ ...state, at });
    document.getElementById(at)?.focus();
  });
  window.addEventListener("popstate", () => apply(readState()));
  const fit = () => {
    makeScrollable();
    document.documentElement.style.scrollPaddingTop = `${bar.offsetHeight + 8}px`;
  };
  const fitContents = setUpContents(bar);
  new ResizeObserver(fit).observe(bar);
  window.addEventListener("resize", fit);
  document.addEventListener("toggle", fit, true);
  apply(readState());
}

/* What scrolls can be scrolled by the keyboard. */
function makeScrollable() {
  for (const element of document.querySelectorAll(".scroll, pre")) {
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = element;
    if (scrollWidth > clientWidth || scrollHeight > clientHeight) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}

setTheme(remembered());
document.addEventListener("DOMContentLoaded", start);
