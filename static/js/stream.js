// @ts-check
/**
 * One stream as the page knows it: its newest reading, how fast they come, and the last ten minutes if its sparkline was
 * seen. It never judges: staleness is for states.js.
 */

import { Trace } from './trace.js';

/** @typedef {{t: number, value: any, quality: number}} Reading */

const SMOOTHING = 1 / 12;
const MIN_INTERVALS = 6;
const GAP_INTERVALS = 3;
const GAPS_IN_A_ROW = 3;

export class Stream {
  /** @type {Reading | null} */
  reading = null;
  trace = new Trace();
  /** Only then the trace is kept: those of thousands of streams would take a hundred megabytes. */
  isFollowed = false;

  #interval_s = 0;
  #intervals = 0;
  #gaps = 0;

  /** @param {string} path */
  constructor(path) {
    this.path = path;
  }

  /** Readings per second as they come, averaged over the last dozen; null before there are some. @returns {number | null} */
  get rate_hz() {
    return this.#intervals < MIN_INTERVALS ? null : 1 / this.#interval_s;
  }

  /** One gap is no slower rate, several in a row are one. @param {number} interval_s */
  #measure(interval_s) {
    const isGap = this.#intervals > 0 && interval_s > GAP_INTERVALS * this.#interval_s;
    this.#gaps = isGap ? this.#gaps + 1 : 0;
    if (this.#gaps >= GAPS_IN_A_ROW) this.#intervals = this.#gaps = 0;
    else if (isGap) return;
    this.#intervals += 1;
    this.#interval_s += (interval_s - this.#interval_s) * Math.max(SMOOTHING, 1 / this.#intervals);
  }

  /** @param {number} t @param {any} value @param {number} quality @param {import('./shapes.js').Band | []} [band] */
  take(t, value, quality, band = []) {
    const interval = t - (this.reading?.t ?? t);
    if (interval > 0) this.#measure(interval / (band[2] ?? 1));
    if (this.isFollowed) this.trace.add(t, typeof value === 'number' ? value : null, band);
    if (!this.reading || t >= this.reading.t) this.reading = { t, value, quality };
  }
}
