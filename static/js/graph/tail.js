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
/** A reading is drawn before history has it, by a slow commit. */
const LAG_S = 2;

/** @typedef {{mean: number, min: number, max: number, count: number}} Piece one reading, or what many of an array are together; NaN: no value */

/**
 * What goes into the columns of a live reading.
 *
 * @param {number | null} value null: no value, a gap
 * @param {import('../shapes.js').Band | []} [band]
 * @returns {Piece}
 */
export function pieceOf(value, [min, max, count, mean] = []) {
  const newest = value ?? NaN;
  return { mean: mean ?? newest, min: min ?? newest, max: max ?? newest, count: count ?? 1 };
}

/**
 * The newest value of a stream: what came live, unless history is further. Derived streams never come live, and a bucket
 * does not say what its last reading was: null then, as where a gap has begun.
 *
 * @param {Columns} columns
 * @param {{t: number, value: any} | null} reading what came live last, or was the newest when the page was loaded
 * @returns {{t: number, value: any} | null}
 */
export function newestOf(columns, reading) {
  const last = columns.length - 1;
  if (last < 0 || (reading && reading.t >= columns.t[last])) return reading;
  const value = columns.mean[last];
  return columns.isRaw && !Number.isNaN(value) ? { t: columns.t[last], value } : null;
}

/**
 * Put one live reading at the end. Readings not newer than what is there are left out (false).
 *
 * @param {Columns} columns
 * @param {number} time_s
 * @param {Piece} piece
 * @param {number} quality
 * @param {number} [period_s] the expected distance of readings; a longer silence is a gap
 * @returns {boolean}
 */
export function appendReading(columns, time_s, piece, quality, period_s = Infinity) {
  const last = columns.length - 1;
  if (columns.isRaw ? last >= 0 && time_s <= columns.t[last] : last >= 0 && time_s < columns.t[last]) return false;
  openGap(columns, time_s, period_s);
  const begin_s = beginOf(columns, time_s, piece, period_s);
  if (begin_s === null) append(columns, time_s, piece, quality);
  else {
    const half = Math.floor(piece.count / 2);
    append(columns, begin_s, { ...piece, count: half }, quality);
    append(columns, time_s, { ...piece, count: piece.count - half }, quality);
  }
  columns.newest_s = time_s;
  return true;
}

/** @param {Columns} columns @param {number} time_s @param {Piece} piece @param {number} quality */
function append(columns, time_s, piece, quality) {
  if (columns.isRaw) appendRaw(columns, time_s, piece, quality);
  else appendToBucket(columns, time_s, piece);
}

/**
 * When the first sample of an array was taken, so that its band is drawn from there: one sample behind the array before.
 * Null where that is not known, or cannot be seen.
 *
 * @param {Columns} columns @param {number} time_s @param {Piece} piece @param {number} period_s
 */
function beginOf(columns, time_s, piece, period_s) {
  const span_s = time_s - columns.newest_s;
  const isSeen = piece.count > 1 && span_s > columns.bucket_s;
  const isJoined = Number.isFinite(period_s) && span_s <= GAP_PERIODS * period_s;
  return isSeen && isJoined ? columns.newest_s + span_s / piece.count : null;
}

/** A silence of several periods breaks the line. @param {Columns} columns @param {number} time_s @param {number} period_s */
function openGap(columns, time_s, period_s) {
  const last = columns.length - 1;
  if (last < 0 || Number.isNaN(columns.mean[last])) return;
  const step_s = Math.max(period_s, columns.bucket_s);
  if (time_s - (columns.t[last] + columns.bucket_s) <= GAP_PERIODS * step_s) return;
  addRow(columns, columns.t[last] + (columns.bucket_s || period_s), pieceOf(null));
}

/** @param {Columns} columns @param {number} t @param {Piece} piece */
function addRow(columns, t, piece) {
  const row = columns.grow();
  columns.t[row] = t;
  set(columns, row, piece);
  if (columns.std && Number.isNaN(piece.mean)) columns.std[row] = NaN;
  return row;
}

/** @param {Columns} columns @param {number} row @param {Piece} piece */
function set(columns, row, { mean, min, max, count }) {
  columns.min[row] = min;
  columns.max[row] = max;
  columns.mean[row] = mean; // the last, as raw columns are one and the same
  if (columns.count) columns.count[row] = Number.isNaN(mean) ? 0 : count;
  if (columns.std) columns.std[row] = 0;
}

/** @param {Columns} columns @param {number} time_s @param {Piece} piece @param {number} quality */
function appendRaw(columns, time_s, piece, quality) {
  if (piece.count > 1) columns.makeBand();
  const row = addRow(columns, time_s, piece);
  if (columns.quality) columns.quality[row] = quality;
}

/** @param {Columns} columns @param {number} time_s @param {Piece} piece */
function appendToBucket(columns, time_s, piece) {
  const { bucket_s, mean } = columns;
  const last = columns.length - 1;
  // buckets are aligned to 1970; take the grid from the columns, floats of epoch seconds divide badly
  const ahead = last < 0 ? Infinity : Math.floor((time_s - columns.t[last]) / bucket_s + 1e-9);
  if (ahead >= 1) {
    addRow(columns, last < 0 ? Math.floor(time_s / bucket_s) * bucket_s : columns.t[last] + ahead * bucket_s, piece);
    return;
  }
  if (Number.isNaN(piece.mean)) return;
  if (Number.isNaN(mean[last])) set(columns, last, piece);
  else merge(columns, last, piece);
}

/**
 * Welford's step, for one or for many: the spread within an array is not told, so it is taken to be that of the bucket.
 *
 * @param {Columns} columns @param {number} row @param {Piece} piece
 */
function merge({ mean, min, max, count, std }, row, piece) {
  const before = count ? count[row] || 1 : 1;
  const n = before + piece.count;
  const delta = piece.mean - mean[row];
  mean[row] += (delta * piece.count) / n;
  if (std) {
    const variance = (std[row] || 0) ** 2;
    const within = variance * (before + (piece.count > 1 ? piece.count : 0));
    std[row] = Math.sqrt((within + (delta * delta * before * piece.count) / n) / n);
  }
  if (count) count[row] = n;
  if (piece.min < min[row]) min[row] = piece.min;
  if (piece.max > max[row]) max[row] = piece.max;
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

/**
 * Whether history ends before what is drawn: the store is away. It has nothing new then, and lacks what came live.
 *
 * @param {Map<string, Columns>} history
 * @param {Map<string, number>} drawn until when, by path
 */
export function isOutrun(history, drawn) {
  const leads = [...drawn].map(([path, until_s]) => until_s - (history.get(path)?.newest_s ?? -Infinity));
  return leads.some((lead_s) => lead_s > LAG_S) && leads.every((lead_s) => !(lead_s < 0));
}
