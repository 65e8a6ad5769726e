// Marks the tables that have long text or do not fit, for style.css, and gives each cell the title of its column.
for (const table of document.querySelectorAll("table.docutils")) {
  const titles = [...table.querySelectorAll("thead th")].map((title) => title.textContent.trim());
  const cells = [...table.querySelectorAll("tbody td")];
  const place = table.parentElement;
  if (place.scrollWidth <= place.clientWidth && !cells.some((cell) => cell.textContent.length > 60)) continue;
  table.classList.add("stacked");
  for (const cell of cells) cell.dataset.title = titles[cell.cellIndex];
}
