"use strict";
// Sorting, filtering, explanations of headings, switches of plots and the Escape key. Without it the page is the same,
// with the explanations below the tables.

const key = (row, column) => row.cells[column].dataset.sort;

function compare(a, b, numeric) {
  if (a === "" || b === "") return (a === "") - (b === "");
  return numeric ? Number(a) - Number(b) : a.localeCompare(b, "en");
}

function sort(table, column, heading) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const values = rows.map((row) => key(row, column)).filter((value) => value !== "");
  const numeric = values.every((value) => !Number.isNaN(Number(value)));
  const before = heading.getAttribute("aria-sort");
  const falling = before ? before === "ascending" : numeric;
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  rows.sort((a, b) => {
    const [left, right] = [key(a, column), key(b, column)];
    const order = compare(left, right, numeric);
    return falling && left !== "" && right !== "" ? -order : order;
  });
  body.append(...rows);
}

function filter(form) {
  const table = document.getElementById(form.dataset.for);
  const wanted = form.querySelector("input").value.trim().toLowerCase();
  const choice = form.querySelector("select");
  const upTo = Math.max(1, Number(table.dataset.numbersFrom));
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const name = [...row.cells].slice(0, upTo).map((cell) => cell.textContent).join(" ").toLowerCase();
    const chosen = !choice || !choice.value || key(row, Number(choice.dataset.column)) === choice.value;
    row.hidden = !(name.includes(wanted) && chosen);
    shown += !row.hidden;
  }
  form.querySelector("output").textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
}

for (const form of document.querySelectorAll("form.filters")) {
  const table = document.getElementById(form.dataset.for);
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, column, heading));
    heading.append(button);
  });
  form.hidden = false;
  form.addEventListener("input", () => filter(form));
  form.addEventListener("submit", (event) => event.preventDefault());
}

// A heading is explained while a pointer is on it or the keyboard's focus in it, and after a tap.
const tip = document.getElementById("tip");
let explained = null;

function explain(heading) {
  explained = heading;
  tip.textContent = document.getElementById(heading.getAttribute("aria-describedby")).textContent;
  tip.hidden = false;
  place();
}

function place() {
  const box = explained.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 4;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below + tip.offsetHeight < innerHeight ? below : Math.max(0, box.top - tip.offsetHeight - 4)}px`;
}

const silence = () => { tip.hidden = true; };
const follow = () => { if (!tip.hidden) place(); };
for (const heading of document.querySelectorAll("th[aria-describedby]")) {
  for (const event of ["pointerenter", "focusin", "click"]) heading.addEventListener(event, () => explain(heading));
  for (const event of ["pointerleave", "focusout"]) heading.addEventListener(event, silence);
}
addEventListener("pointerdown", silence);
addEventListener("scroll", follow, { capture: true, passive: true });

for (const form of document.querySelectorAll("form.switches")) {
  const drawings = form.parentNode.querySelectorAll("[data-row]");
  form.hidden = false;
  form.addEventListener("change", ({ target }) => {
    for (const drawing of drawings) {
      if (drawing.dataset.row === target.value) drawing.classList.toggle("off", !target.checked);
    }
  });
}

let opener = null;
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#run-"]');
  if (link) opener = link;
});

addEventListener("hashchange", () => {
  const record = document.querySelector(".record:target");
  if (record) record.focus();
  else if (opener) { opener.focus(); opener = null; }
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape") silence();
  if (event.key === "Escape" && document.querySelector(".record:target")) location.hash = "#runs";
});
