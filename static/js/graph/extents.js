// @ts-check
/** Which streams share an axis, and what that axis has to show. One axis per unit. */

/** @typedef {import('./columns.js').Columns} Columns */
/** @typedef {import('./axis.js').Extent} Extent */

/** A channel in powers of ten gets a logarithmic axis when its values differ by this factor. */
const LOG_FROM = 4;
/** A line is flat when it spans less than this part of its axis, or of its value. */
const FLAT_BELOW = 1e-3;

/**
 * @typedef {object} Drawn one stream as it is on the plot
 * @property {string} path
 * @property {string} label
 * @property {string} unit
 * @property {number} digits
 * @property {boolean} scientific
 * @property {import('./palette.js').Pen} pen
 * @property {number} period_s Infinity where nobody knows
 * @property {number} stale_s the age from which its newest reading is not `now` any more
 * @property {Columns} columns
 */

/**
 * @typedef {object} AxisGroup the streams of one axis
 * @property {string} key the unit, or with a path where a stream of that unit has an axis of its own
 * @property {string} unit
 * @property {Drawn[]} streams
 */

/** @typedef {{start_s: number, end_s: number, band: boolean, log: boolean | null}} View */

/** So much of the range beside a reading still means that reading: about four pixels. */
const REACH = 1 / 250;

/**
 * The row that the cursor reads at a time, -1 if the stream has no value there.
 *
 * @param {Drawn} stream @param {number} time_s @param {number} span_s of the range
 */
export function rowAt({ columns, period_s }, time_s, span_s) {
  return columns.at(time_s, Math.max(span_s * REACH, Number.isFinite(period_s) ? period_s : 0));
}

/**
 * One axis per unit; but streams that would all be flat lines on a common one (two lasers at 384 and 473 THz) get one each.
 *
 * @param {Drawn[]} streams @param {View} view @param {string[]} before the keys as they were drawn last
 * @returns {AxisGroup[]} in the order in which their first stream comes
 */
export function groupsOf(streams, view, before = []) {
  const units = [...new Set(streams.map(({ unit }) => unit))];
  return units.flatMap((unit) => {
    const own = streams.filter((stream) => stream.unit === unit);
    if (own.length < 2 || !isFarApart(own, view, before.includes(keyOf(own[0])))) return [{ key: unit, unit, streams: own }];
    return own.map((stream) => ({ key: keyOf(stream), unit, streams: [stream] }));
  });
}

/** @param {Drawn} stream */
function keyOf({ unit, path }) {
  return `${unit} ${path}`;
}

/** @param {Drawn[]} streams of one unit @param {View} view @param {boolean} wasApart so that axes do not come and go */
function isFarApart(streams, view, wasApart) {
  const linear = { ...view, log: false };
  const extents = streams.map((stream) => extentOf([stream], linear)).filter((extent) => extent !== null);
  if (extents.length < 2 || (view.log ?? streams.every(({ scientific }) => scientific))) return false;
  const widest = Math.max(...extents.map(({ low, high }) => high - low));
  const whole = Math.max(...extents.map(({ high }) => high)) - Math.min(...extents.map(({ low }) => low));
  return whole * FLAT_BELOW * (wasApart ? 3 : 1) > widest && extents.every(({ low, high }) => high - low < FLAT_BELOW * Math.abs(high));
}

/**
 * @param {Drawn[]} streams of one axis
 * @param {View} view
 * @returns {Extent | null} null if the streams have no value in the range
 */
export function extentOf(streams, { start_s, end_s, band, log }) {
  const isLog = log ?? streams.every(({ scientific }) => scientific);
  let low = Infinity;
  let high = -Infinity;
  for (const { columns } of streams) {
    const [from, to] = visibleRows(columns, start_s, end_s);
    const [lows, highs] = band ? [columns.min, columns.max] : [columns.mean, columns.mean];
    for (let i = from; i < to; i += 1) {
      if (lows[i] < low && (!isLog || lows[i] > 0)) low = lows[i];
      if (highs[i] > high) high = highs[i];
    }
  }
  if (low === Infinity || high === -Infinity) return null;
  const resolution = Math.min(...streams.map(({ digits, scientific }) => (scientific ? 0 : 10 ** -digits)));
  // nobody asked for it, and it would show nothing that a linear axis does not: stay linear
  const isNeeded = log === true || high > LOG_FROM * low;
  return { unit: streams[0].unit, low: Math.min(low, high), high, log: isLog && isNeeded && high > 0, resolution };
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
