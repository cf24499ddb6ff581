"use strict";
// Sort a table by a column, filter the folded rows. Reads and hides what is on the page; never writes markup.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const number = (text) => parseFloat(text.replace(/,/g, ""));
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [row, row.cells[column].textContent]);
      const numeric = rows.some(([, text]) => !isNaN(number(text)));
      const down = head.ariaSort === null ? numeric : head.ariaSort === "ascending";
      const sign = down ? -1 : 1;
      rows.sort(([, a], [, b]) => {
        if (!numeric) return sign * a.localeCompare(b);
        const [one, other] = [number(a), number(b)];
        if (isNaN(one) || isNaN(other)) return isNaN(one) - isNaN(other);
        return sign * (one - other);
      });
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = down ? "descending" : "ascending";
      body.append(...rows.map(([row]) => row));
    });
  });
}
for (const form of document.querySelectorAll("form.controls")) {
  const place = form.parentElement;
  const rows = [...place.querySelectorAll(".rows > details")];
  const count = place.querySelector(".count");
  const texts = new Map();
  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const { words, set, kind, unfold } = form.elements;
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        (!set.value || row.dataset.set === set.value) &&
        (!kind.value || row.dataset.kinds.split("|").includes(kind.value)) &&
        wanted.every((word) => text(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown.toLocaleString("en")} shown`;
    unfold.textContent = "Unfold all shown";
  };
  let waiting;
  words.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 150);
  });
  set.addEventListener("change", filter);
  kind.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Unfold all shown";
    for (const row of rows) if (!row.hidden) row.open = open;
    unfold.textContent = open ? "Fold all" : "Unfold all shown";
  });
  form.hidden = false;
}
