"use strict";
// Tables sort by the column whose heading is pressed: first rising, then falling. Cells without a figure stay last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const falling = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[column];
        const key = cell.dataset.key;
        return { row, key: key !== undefined && cell.classList.contains("number") ? Number(key) : key };
      });
      keyed.sort((one, other) => {
        if (one.key === undefined || other.key === undefined) {
          return (one.key === undefined) - (other.key === undefined);
        }
        const order = typeof one.key === "number" ? one.key - other.key : one.key.localeCompare(other.key);
        return falling ? -order : order;
      });
      body.append(...keyed.map((entry) => entry.row));
    });
  });
}
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : window.matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
