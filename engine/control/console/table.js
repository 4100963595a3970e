// maxRows is how many rows a table shows. Ten thousand would take a browser many seconds.
const maxRows = 500;

// table makes a table that becomes a list of cards where it is narrow.
//
//   label    what it is, for screen readers
//   columns  name, cell (row → nodes), and: number, wide, head (the row's header), sort
//            (row → value), title
//   order    {by, up}: the column by which rows are sorted, and how; onSort(by) changes it
//
// Of very many rows it shows the first ones in that order, and how many more there are.
function table({ label, columns, rows, order, onSort, key }) {
  const sorted = columns.find((c) => order && c.name === order.by);
  if (sorted && sorted.sort) rows = [...rows].sort(comparing(sorted.sort, order.up));
  const head = el("tr", null, columns.map((c) => {
    const current = order && c.name === order.by;
    return el("th", { scope: "col", class: c.number ? "number" : null, "aria-sort": current ? (order.up ? "ascending" : "descending") : null },
      c.sort && onSort
        ? el("button", { type: "button", "data-key": "sort " + c.name, title: c.title, click: () => onSort(c.name) }, c.name)
        : c.hidden ? el("span", { class: "unseen" }, c.name) : el("span", { title: c.title }, c.name));
  }));
  const more = rows.length - maxRows;
  const body = rows.slice(0, maxRows).map((row) => el("tr", { "data-row": key ? key(row) : null }, columns.map((c) => cell(c, row))));
  const shown = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label, "data-key": "table " + label },
    el("table", { class: "cards" }, el("caption", { class: "unseen" }, label), el("thead", null, head), el("tbody", null, body)));
  return more > 0 ? [shown, el("p", { class: "soft" }, "and " + number(more) + " more. Filters" + (onSort ? " and the order" : "") + " choose which are shown.")] : shown;
}

function cell(c, row) {
  const value = c.cell(row);
  const none = value === null || value === undefined || value === "" || (Array.isArray(value) && value.every((v) => !v));
  if (c.head) return el("th", { scope: "row" }, value);
  return el("td", {
    class: [c.number && "number", c.wide && "wide", c.time && "time", c.number && (value === "0" || value === "–") && "zero"].filter(Boolean).join(" ") || null,
    "data-label": c.name,
  }, el("div", null, none ? el("span", { class: "soft" }, "–") : value)); // one child: where it is narrow, a cell is a grid
}

// comparing returns the order of rows by a value. What has none comes last.
function comparing(value, up) {
  return (a, b) => {
    const x = value(a), y = value(b);
    if (x === y) return 0;
    if (x === null || x === undefined || x === "") return 1;
    if (y === null || y === undefined || y === "") return -1;
    const less = typeof x === "string" && typeof y === "string" ? x.localeCompare(y) : x - y;
    return up ? less : -less;
  };
}

// nextOrder returns the order after a click on a column: the other way round if it is
// sorted by that already.
function nextOrder(order, by, textColumns) {
  if (order.by === by) return { by, up: !order.up };
  return { by, up: textColumns.includes(by) };
}
