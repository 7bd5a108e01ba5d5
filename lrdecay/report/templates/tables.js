/* Tables: sorted by a column, and copied as they are shown. `figures.js` and `report.js` follow in the
same script. */
"use strict";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function button(text, attributes, act) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", act);
  return element;
}

const visible = (element) => !element.closest("[hidden]");

/* Text as a number, or NaN; the page writes U+2212 for minus. */
function numberOf(text) {
  const plain = text.trim().replace(/^\u2212/, "-");
  return plain === "" ? NaN : Number(plain);
}

function partsOf(cell) {
  const parts = [...cell.childNodes].map((node) => node.textContent.trim().replace(/\s+/g, " "));
  return parts.filter(Boolean);
}

const textOf = (cell) => partsOf(cell).join(" ");

/* What a cell is sorted by; notes are not, and words in place of a number are a missing number. */
function sortKey(cell) {
  const key = cell.dataset.sort ?? partsOf(cell)[0] ?? "";
  return cell.classList.contains("number") && Number.isNaN(numberOf(key)) ? "" : key;
}

/* Numbers by size before texts; what is missing comes last in either direction. */
function compareKeys(a, b, direction) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [numberOf(a), numberOf(b)];
  const texts = Number.isNaN(x) - Number.isNaN(y);
  const order = Number.isNaN(x) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  return direction * (texts || order);
}

function sortTable(table, column = 0) {
  const heads = [...table.tHead.rows[0].cells];
  const place = Math.abs(column) - 1;
  const rows = [...table.originalRows];
  if (heads[place]) {
    const keys = new Map(rows.map((row) => [row, sortKey(row.cells[place])]));
    rows.sort((a, b) => compareKeys(keys.get(a), keys.get(b), Math.sign(column)));
  }
  table.tBodies[0].append(...rows);
  heads.forEach((head, i) => {
    if (i === place) head.setAttribute("aria-sort", column > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

/* The cells shown, as text, with the header first. */
function shownCells(table) {
  const rows = [table.tHead.rows[0], ...table.tBodies[0].rows].filter(visible);
  return rows.map((row) => [...row.cells].filter(visible).map(textOf));
}

/* A text that a spreadsheet would take for a formula is led by an apostrophe. */
function toCsv(cells) {
  const field = (text) => {
    if (!Number.isNaN(numberOf(text))) return text.replace("\u2212", "-");
    const interval = text.split(" to ").every((end) => !Number.isNaN(numberOf(end)));
    const inert = /^[=+\-@]/.test(text) && !interval ? `'${text}` : text;
    return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
  };
  return cells.map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

function toMarkdown([head, ...rows]) {
  const line = (fields) => `| ${fields.join(" | ")} |\n`;
  const inert = (text) => text.replace(/[\\`*_[\]<>|&]/g, "\\$&");
  return [head.map(inert), head.map(() => "---"), ...rows.map((row) => row.map(inert))]
    .map(line)
    .join("");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // no clipboard for pages of a server without TLS
    const area = make("textarea", { readonly: "" });
    area.value = text;
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    if (!done) throw new Error("the browser refused");
  }
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function tableTools(table, say) {
  const heading = table.closest("details")?.querySelector("summary")
    ?? table.closest("section")?.querySelector("h2");
  const count = make("span", { class: "count" });
  const rows = () => `${shownCells(table).length - 1} rows`;
  const copier = (kind, write) => async () => {
    try {
      await copy(write(shownCells(table)));
      say(`Copied ${rows()} as ${kind}.`);
    } catch (error) {
      say(`Not copied: ${error.message}.`);
    }
  };
  const name = `${document.title.split(":")[0]}-${table.id}`.replace(/[^\w.-]+/g, "-");
  const tools = make(
    "div",
    { class: "tools", role: "group", "aria-label": `Table: ${heading?.textContent ?? table.id}` },
    count,
    button("Copy as CSV", {}, copier("CSV", toCsv)),
    button("Copy as Markdown", {}, copier("Markdown", toMarkdown)),
    button("Download CSV", {}, () => {
      // the mark at its start tells spreadsheets that it is UTF-8
      const written = ["\ufeff", toCsv(shownCells(table))];
      download(new Blob(written, { type: "text/csv" }), `${name}.csv`);
      say(`Downloaded ${rows()} as CSV.`);
    }),
  );
  (table.closest(".scroll") ?? table).before(tools);
  return count;
}

function makeSortable(table, sorted) {
  table.originalRows = [...table.tBodies[0].rows];
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const next = { ascending: -(i + 1), descending: 0 };
    const press = () => sorted(table.id, next[head.getAttribute("aria-sort")] ?? i + 1);
    const sorter = button("", { class: "sorter" }, press);
    sorter.append(...head.childNodes);
    head.append(sorter);
  });
}
