// A table of a page and just as much of a browser as its script asks for: rows come by stdin as JSON, heads
// are pressed in the order of the arguments, and what is shown after each press is printed.
const { rows, script } = JSON.parse(require("fs").readFileSync(0, "utf8"));

const body = { rows: rows.map(texts => ({ cells: texts.map(textContent => ({ textContent })) })) };
body.append = (...moved) => { body.rows = [...body.rows.filter(row => !moved.includes(row)), ...moved]; };
const head = { cells: [] };
head.cells = rows[0].map((_, cellIndex) => {
  const attributes = new Map();
  return {
    cellIndex,
    parentNode: head,
    closest: () => ({ tBodies: [body] }),
    getAttribute: name => attributes.get(name) ?? null,
    setAttribute: (name, value) => attributes.set(name, value),
    removeAttribute: name => attributes.delete(name),
  };
});
const buttons = head.cells.map(cell => ({ parentNode: cell }));
globalThis.document = { querySelectorAll: () => buttons };
(0, eval)(script);

const shown = process.argv.slice(2).map(place => {
  buttons[Number(place)].onclick();
  return {
    rows: body.rows.map(row => row.cells.map(cell => cell.textContent)),
    sorted: head.cells.map(cell => cell.getAttribute("aria-sort")),
  };
});
console.log(JSON.stringify(shown));
