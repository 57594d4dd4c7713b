// @ts-check
/** Which streams share an axis, and what that axis has to show. One axis per unit. */

/** @typedef {import('./columns.js').Columns} Columns */
/** @typedef {import('./axis.js').Extent} Extent */

/** A channel in powers of ten gets a logarithmic axis when its values differ by this factor. */
const LOG_FROM = 4;

/**
 * @typedef {object} Drawn one stream as it is on the plot
 * @property {string} path
 * @property {string} label
 * @property {string} unit
 * @property {number} digits
 * @property {boolean} scientific
 * @property {import('./palette.js').Pen} pen
 * @property {number} period_s Infinity where nobody knows
 * @property {Columns} columns
 */

/** The units in the order in which their first stream comes. @param {Drawn[]} streams */
export function unitsOf(streams) {
  return [...new Set(streams.map(({ unit }) => unit))];
}

/**
 * @param {Drawn[]} streams @param {string} unit
 * @param {{start_s: number, end_s: number, band: boolean, log: boolean | null}} view
 * @returns {Extent | null} null if the streams have no value in the range
 */
export function extentOf(streams, unit, { start_s, end_s, band, log }) {
  const own = streams.filter((stream) => stream.unit === unit);
  const isLog = log ?? own.every(({ scientific }) => scientific);
  let low = Infinity;
  let high = -Infinity;
  for (const { columns } of own) {
    const [from, to] = visibleRows(columns, start_s, end_s);
    const [lows, highs] = band ? [columns.min, columns.max] : [columns.mean, columns.mean];
    for (let i = from; i < to; i += 1) {
      if (lows[i] < low && (!isLog || lows[i] > 0)) low = lows[i];
      if (highs[i] > high) high = highs[i];
    }
  }
  if (low === Infinity || high === -Infinity) return null;
  const resolution = Math.min(...own.map(({ digits, scientific }) => (scientific ? 0 : 10 ** -digits)));
  // nobody asked for it, and it would show nothing that a linear axis does not: stay linear
  const isNeeded = log === true || high > LOG_FROM * low;
  return { unit, low: Math.min(low, high), high, log: isLog && isNeeded && high > 0, resolution };
}

/**
 * The rows that are drawn within a range, and one on either side if it lies close.
 *
 * @param {Columns} columns @param {number} start_s @param {number} end_s
 */
function visibleRows(columns, start_s, end_s) {
  const from = columns.firstFrom(start_s);
  let to = columns.firstFrom(end_s);
  if (to < columns.length && columns.x(to) <= end_s) to += 1;
  // zoomed in between two readings: the line that crosses the plot belongs to both
  return to > from ? [from, to] : [Math.max(0, from - 1), Math.min(columns.length, to + 1)];
}
