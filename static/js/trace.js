// @ts-check
/**
 * The last ten minutes of one stream, for its sparkline: mean, min and max of four seconds each, so that a hundred
 * streams at 10 Hz stay small. The trap: a gap must stay open, also when it is shorter than a bucket's neighbours.
 */

export const SPAN_S = 600;
export const BUCKET_S = 4;

/** @typedef {{index: number, count: number, sum: number, min: number, max: number, isOpen: boolean}} Bucket isOpen: a gap begins in it */
/** @typedef {{t: number, mean: number, min: number, max: number}} TracePoint */

export class Trace {
  /** @type {Bucket[]} ascending */
  #buckets = [];
  /** The newest value and its time; null after ten minutes without one. @type {{t: number, value: number} | null} */
  last = null;
  #seedBucket_s = 0;

  /**
   * Adds a reading; null marks a gap.
   * @param {number} t Unix seconds
   * @param {number | null} value
   * @param {import('./shapes.js').Band | []} [band] of the readings that it stands for
   */
  add(t, value, band = []) {
    const bucket = this.#bucketAt(Math.floor(t / BUCKET_S));
    if (value === null || !Number.isFinite(value)) {
      bucket.isOpen = true;
      return;
    }
    const [min, max, , mean] = band;
    widen(bucket, mean ?? value, min ?? value, max ?? value);
    bucket.isOpen = false;
    if (!this.last || t >= this.last.t) this.last = { t, value };
  }

  /**
   * Puts history before what came live.
   * @param {import('./shapes.js').Columns} columns
   */
  seed({ bucket_s, t, v, mean = /** @type {Float64Array} */ (v), min = mean, max = mean }) {
    this.#seedBucket_s = bucket_s;
    const live = this.#buckets;
    const { last } = this;
    this.#buckets = [];
    this.last = null;
    for (let i = 0; i < t.length; i++) {
      if (Number.isNaN(t[i])) continue;
      const bucket = this.#bucketAt(Math.floor(t[i] / BUCKET_S));
      bucket.isOpen = Number.isNaN(mean[i]);
      if (bucket.isOpen) continue;
      widen(bucket, mean[i], min[i], max[i]);
      this.last = { t: t[i], value: mean[i] };
    }
    const seeded = this.#buckets[this.#buckets.length - 1]?.index ?? -Infinity;
    this.#buckets.push(...live.filter((bucket) => bucket.index > seeded));
    if (last && last.t >= (this.last?.t ?? -Infinity)) this.last = last;
  }

  /** Takes back what came after a time. @param {number | null} t null: all of it */
  dropAfter(t) {
    this.#buckets = t === null ? [] : this.#buckets.filter((bucket) => bucket.index * BUCKET_S <= t);
    if (this.last && (t === null || this.last.t > t)) this.last = null;
  }

  /**
   * Unbroken stretches of points, oldest first.
   * @param {number} now Unix seconds
   * @param {number | null} period_s readings that lie further apart than three of these have a gap between them; null: none have
   * @returns {TracePoint[][]}
   */
  stretches(now, period_s) {
    this.#forget(now);
    const reach = Math.max(period_s === null ? Infinity : 3 * period_s, 2 * BUCKET_S, 2 * this.#seedBucket_s);
    /** @type {TracePoint[][]} */
    const stretches = [];
    let previous = null;
    for (const bucket of this.#buckets) {
      const isJoined = previous && !previous.isOpen && (bucket.index - previous.index) * BUCKET_S <= reach;
      if (bucket.count) {
        if (!isJoined || !stretches.length) stretches.push([]);
        stretches[stretches.length - 1].push(this.#point(bucket));
      }
      previous = bucket;
    }
    return stretches.filter((stretch) => stretch.length);
  }

  /** @param {Bucket} bucket @returns {TracePoint} */
  #point(bucket) {
    const middle = (bucket.index + 0.5) * BUCKET_S;
    const t = this.last && middle > this.last.t ? this.last.t : middle;
    return { t, mean: bucket.sum / bucket.count, min: bucket.min, max: bucket.max };
  }

  /** @param {number} now */
  #forget(now) {
    const oldest = Math.floor((now - SPAN_S) / BUCKET_S);
    while (this.#buckets.length && this.#buckets[0].index < oldest) this.#buckets.shift();
  }

  /** @param {number} index @returns {Bucket} */
  #bucketAt(index) {
    const buckets = this.#buckets;
    let at = buckets.length;
    while (at > 0 && buckets[at - 1].index > index) at -= 1; // late readings are rare: from the end
    if (at > 0 && buckets[at - 1].index === index) return buckets[at - 1];
    const bucket = { index, count: 0, sum: 0, min: Infinity, max: -Infinity, isOpen: false };
    buckets.splice(at, 0, bucket);
    if (buckets.length > SPAN_S / BUCKET_S + 2) buckets.shift();
    return bucket;
  }
}

/** @param {Bucket} bucket @param {number} mean @param {number} min @param {number} max */
function widen(bucket, mean, min, max) {
  bucket.count += 1;
  bucket.sum += mean;
  if (min < bucket.min) bucket.min = min;
  if (max > bucket.max) bucket.max = max;
}
