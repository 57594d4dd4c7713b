// @ts-check
/**
 * One stream of a graph as typed columns: `t`, `mean`, `min`, `max` and what the statistics need.
 *
 * The trap: NaN is a gap. `t` is where a bucket begins, `x(i)` is where it is drawn. The arrays are
 * longer than `length`, because the live tail grows into them.
 */

/** @typedef {import('../shapes.js').Columns} Reply */

export const QUALITY_CODE_MASK = 0x0f;
const SPARE = 256;

export class Columns {
  /**
   * @param {string} path
   * @param {string} granularity
   * @param {number} bucket_s 0: raw
   * @param {number} length
   */
  constructor(path, granularity, bucket_s, length) {
    this.path = path;
    this.granularity = granularity;
    this.bucket_s = bucket_s;
    this.length = length;
    /** The newest reading that went into the columns; the last bucket may not be full. */
    this.newest_s = -Infinity;
    const capacity = length + SPARE;
    const isRaw = bucket_s === 0;
    this.t = new Float64Array(capacity);
    this.mean = new Float64Array(capacity);
    // raw readings are their own minimum and maximum: one array, three names
    this.min = isRaw ? this.mean : new Float64Array(capacity);
    this.max = isRaw ? this.mean : new Float64Array(capacity);
    this.count = isRaw ? null : new Float64Array(capacity);
    this.std = isRaw ? null : new Float64Array(capacity);
    this.quality = isRaw ? new Uint8Array(capacity) : null;
  }

  get isRaw() {
    return this.bucket_s === 0;
  }

  /** Whether rows have a minimum and a maximum of their own. */
  get hasBand() {
    return this.min !== this.mean;
  }

  /** Gives raw rows a band: a reading that stands for many comes behind them. */
  makeBand() {
    if (this.hasBand) return;
    this.min = this.mean.slice();
    this.max = this.mean.slice();
    this.count = new Float64Array(this.mean.length).fill(1);
    this.std = new Float64Array(this.mean.length);
  }

  /** Room for one more row, which is then `length - 1`. */
  grow() {
    if (this.length === this.t.length) this.#widen(this.length * 2);
    this.length += 1;
    return this.length - 1;
  }

  /** Where there is no more room, let go of the rows before a time, if they are enough to make some. @param {number} time_s */
  forgetBefore(time_s) {
    const gone = this.firstFrom(time_s);
    if (this.length < this.t.length || gone < this.length / 4) return;
    // raw readings are their own minimum and maximum: each array is moved once
    for (const column of new Set([this.t, this.mean, this.min, this.max, this.count, this.std, this.quality])) column?.copyWithin(0, gone, this.length);
    this.length -= gone;
  }

  /** @param {number} capacity */
  #widen(capacity) {
    const { hasBand } = this;
    this.t = wider(this.t, capacity);
    this.mean = wider(this.mean, capacity);
    this.min = hasBand ? wider(this.min, capacity) : this.mean;
    this.max = hasBand ? wider(this.max, capacity) : this.mean;
    this.count = this.count && wider(this.count, capacity);
    this.std = this.std && wider(this.std, capacity);
    if (this.quality) {
      const quality = new Uint8Array(capacity);
      quality.set(this.quality);
      this.quality = quality;
    }
  }

  /** Where row `i` is drawn: in the middle of its bucket, but not ahead of the newest reading. */
  x(/** @type {number} */ i) {
    const x = this.t[i] + this.bucket_s / 2;
    return i === this.length - 1 && x > this.newest_s && this.newest_s > this.t[i] ? this.newest_s : x;
  }

  /** The first row that is drawn at or after a time; `length` if there is none. @param {number} time_s */
  firstFrom(time_s) {
    const wanted = time_s - this.bucket_s / 2;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.t[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether anything is drawn between two times, be it a line that crosses. @param {number} start_s @param {number} end_s */
  hasRows(start_s, end_s) {
    return this.length > 0 && this.x(this.length - 1) >= start_s && this.x(0) <= end_s;
  }

  /** The row drawn nearest to a time, -1 if there are none. @param {number} time_s */
  nearest(time_s) {
    const after = this.firstFrom(time_s);
    if (after === 0) return this.length > 0 ? 0 : -1;
    if (after === this.length) return after - 1;
    return time_s - this.x(after - 1) <= this.x(after) - time_s ? after - 1 : after;
  }

  /**
   * The row that says what was at a time: the nearest, if a line is drawn there or it lies within reach. -1 in a gap, and
   * where a stream has not begun or has ended: what was hours before is no value of that time.
   *
   * @param {number} time_s @param {number} reach_s
   */
  at(time_s, reach_s) {
    const row = this.nearest(time_s);
    if (row < 0 || Math.abs(this.x(row) - time_s) <= Math.max(reach_s, this.bucket_s / 2)) return row;
    const other = this.x(row) <= time_s ? row + 1 : row - 1;
    const isLine = other >= 0 && other < this.length && !Number.isNaN(this.mean[row]) && !Number.isNaN(this.mean[other]);
    return isLine ? row : -1;
  }
}

/** @param {Float64Array} column @param {number} capacity */
function wider(column, capacity) {
  const copied = new Float64Array(capacity);
  copied.set(column);
  return copied;
}

/**
 * The columns of one stream of a reply of `GET data`.
 *
 * @param {Reply & {std_dev?: Float64Array}} reply
 * @returns {Columns}
 */
export function columnsOf(reply) {
  const isRaw = reply.v !== undefined || !reply.bucket_s;
  const columns = new Columns(reply.path, reply.granularity, isRaw ? 0 : reply.bucket_s, reply.t.length);
  columns.t.set(reply.t);
  const { mean = reply.v ?? [] } = reply;
  columns.mean.set(mean);
  if (columns.quality && reply.quality) columns.quality.set(reply.quality);
  if (columns.count && columns.std) {
    columns.min.set(reply.min ?? mean);
    columns.max.set(reply.max ?? mean);
    if (reply.count) columns.count.set(reply.count);
    if (reply.std_dev) columns.std.set(reply.std_dev);
  }
  const last = columns.length - 1;
  if (last >= 0) columns.newest_s = columns.t[last] + columns.bucket_s;
  return columns;
}
