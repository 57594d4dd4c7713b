// @ts-check
/**
 * The live end of a stream's columns: readings as they come, in the granularity that is on the screen.
 *
 * The trap: a bucket that is still filling is only as good as what the browser saw of it; the graph
 * fetches it again once it is complete.
 */

/** @typedef {import('./columns.js').Columns} Columns */

/** More than this many lost periods in a row is a gap, as the server marks it. */
export const GAP_PERIODS = 3;

/**
 * Put one live reading at the end. Readings not newer than what is there are left out (false).
 *
 * @param {Columns} columns
 * @param {number} time_s
 * @param {number | null} value null or NaN: no value, a gap
 * @param {number} quality
 * @param {number} [period_s] the expected distance of readings; a longer silence is a gap
 * @returns {boolean}
 */
export function appendReading(columns, time_s, value, quality, period_s = Infinity) {
  const last = columns.length - 1;
  if (columns.isRaw ? last >= 0 && time_s <= columns.t[last] : last >= 0 && time_s < columns.t[last]) return false;
  openGap(columns, time_s, period_s);
  if (columns.isRaw) appendRaw(columns, time_s, value ?? NaN, quality);
  else appendToBucket(columns, time_s, value ?? NaN);
  columns.newest_s = time_s;
  return true;
}

/** A silence of several periods breaks the line. @param {Columns} columns @param {number} time_s @param {number} period_s */
function openGap(columns, time_s, period_s) {
  const last = columns.length - 1;
  if (last < 0 || Number.isNaN(columns.mean[last])) return;
  const step_s = Math.max(period_s, columns.bucket_s);
  if (time_s - (columns.t[last] + columns.bucket_s) <= GAP_PERIODS * step_s) return;
  addRow(columns, columns.t[last] + (columns.bucket_s || period_s), NaN);
}

/** @param {Columns} columns @param {number} t @param {number} value */
function addRow(columns, t, value) {
  const row = columns.grow();
  columns.t[row] = t;
  columns.mean[row] = value;
  columns.min[row] = value;
  columns.max[row] = value;
  if (columns.count) columns.count[row] = Number.isNaN(value) ? 0 : 1;
  if (columns.std) columns.std[row] = Number.isNaN(value) ? NaN : 0;
  return row;
}

/** @param {Columns} columns @param {number} time_s @param {number} value @param {number} quality */
function appendRaw(columns, time_s, value, quality) {
  const row = addRow(columns, time_s, value);
  if (columns.quality) columns.quality[row] = quality;
}

/** @param {Columns} columns @param {number} time_s @param {number} value */
function appendToBucket(columns, time_s, value) {
  const { bucket_s, mean, min, max, count, std } = columns;
  const last = columns.length - 1;
  // buckets are aligned to 1970; take the grid from the columns, floats of epoch seconds divide badly
  const ahead = last < 0 ? Infinity : Math.floor((time_s - columns.t[last]) / bucket_s + 1e-9);
  if (ahead >= 1) {
    addRow(columns, last < 0 ? Math.floor(time_s / bucket_s) * bucket_s : columns.t[last] + ahead * bucket_s, value);
    return;
  }
  if (Number.isNaN(value)) return;
  if (Number.isNaN(mean[last])) {
    mean[last] = min[last] = max[last] = value;
    if (count) count[last] = 1;
    if (std) std[last] = 0;
    return;
  }
  merge(columns, last, value, mean, min, max, count, std);
}

/**
 * Welford's step.
 *
 * @param {Columns} columns @param {number} row @param {number} value
 * @param {Float64Array} mean @param {Float64Array} min @param {Float64Array} max
 * @param {Float64Array | null} count @param {Float64Array | null} std
 */
function merge(columns, row, value, mean, min, max, count, std) {
  const n = (count ? count[row] || 1 : 1) + 1;
  const delta = value - mean[row];
  mean[row] += delta / n;
  if (std) std[row] = Math.sqrt(((std[row] || 0) ** 2 * (n - 1) + delta * (value - mean[row])) / n);
  if (count) count[row] = n;
  if (value < min[row]) min[row] = value;
  if (value > max[row]) max[row] = value;
}

/**
 * Forget what came after a time: after a crash the server takes back readings that never became durable.
 *
 * @param {Columns} columns @param {number} time_s
 */
export function dropAfter(columns, time_s) {
  while (columns.length > 0 && columns.t[columns.length - 1] > time_s) columns.length -= 1;
  columns.newest_s = Math.min(columns.newest_s, time_s);
}
