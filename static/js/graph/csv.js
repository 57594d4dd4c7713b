// @ts-check
/**
 * What a graph shows as CSV: one line for each time, a column for each stream and field.
 *
 * The trap: times are in UTC with milliseconds, so that a spreadsheet anywhere reads the same.
 */

/** @typedef {import('./columns.js').Columns} Columns */

/**
 * @param {Array<{columns: Columns, unit: string}>} streams
 * @param {number} start_s @param {number} end_s
 * @returns {string}
 */
export function csvOf(streams, start_s, end_s) {
  const parts = streams.map(({ columns, unit }) => part(columns, unit, start_s, end_s));
  const header = ['time', 'unix_s', ...parts.flatMap(({ names }) => names)];
  const lines = [header.map(quoted).join(',')];
  const next = parts.map(({ from }) => from);
  for (;;) {
    const time_s = Math.min(...parts.map(({ columns, to }, i) => (next[i] < to ? columns.t[next[i]] : Infinity)));
    if (time_s === Infinity) break;
    const cells = parts.flatMap((one, i) => {
      const isHere = next[i] < one.to && one.columns.t[next[i]] === time_s;
      return isHere ? values(one, next[i]++) : one.names.map(() => '');
    });
    lines.push([new Date(time_s * 1000).toISOString(), String(time_s), ...cells].join(','));
  }
  return `${lines.join('\r\n')}\r\n`;
}

/** @typedef {{columns: Columns, names: string[], from: number, to: number}} Part */

/** @param {Columns} columns @param {string} unit @param {number} start_s @param {number} end_s @returns {Part} */
function part(columns, unit, start_s, end_s) {
  const end = unit ? ` [${unit}]` : '';
  const fields = columns.hasBand ? [' mean', ' min', ' max'] : [''];
  const from = columns.firstFrom(start_s);
  let to = columns.firstFrom(end_s);
  if (to < columns.length && columns.x(to) <= end_s) to += 1;
  return { columns, names: fields.map((field) => `${columns.path}${field}${end}`), from, to };
}

/** @param {Part} part @param {number} row */
function values({ columns }, row) {
  const { mean, min, max } = columns;
  const cells = columns.hasBand ? [mean[row], min[row], max[row]] : [mean[row]];
  return cells.map((value) => (Number.isNaN(value) ? '' : String(value)));
}

/** @param {string} text */
function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
