// @ts-check
/**
 * Why a gap is there, where the columns do not say: buckets have no quality, and a device that was away says so in its
 * state. Asked for once per gap, in the smallest piece of history that can tell.
 */

import { fetchData } from '../api.js';
import { Emitter } from '../emitter.js';
import { QUALITY_CODE_MASK } from './columns.js';
import { WHY } from './gaps.js';

/** @typedef {import('./gaps.js').Gap} Gap */
/** @typedef {{path: string, period_s: number, columns: import('./columns.js').Columns}} Subject */

/** More readings than this are not looked through for one word. */
const MOST_READINGS = 3000;
const MOST_AT_ONCE = 6;

/** @extends {Emitter<{found: null}>} */
export class GapReasons extends Emitter {
  /** @type {Map<string, string>} */
  #known = new Map();
  /** @type {Set<string>} */
  #asked = new Set();
  #running = 0;
  #app;

  /** @param {import('../shapes.js').App} app */
  constructor(app) {
    super();
    this.#app = app;
  }

  /** Ask again for what could not be answered: the connection is back. */
  askAgain() {
    this.#asked.clear();
  }

  /** The words for a gap: what is known now; what is not is asked for. @param {Subject} subject @param {Gap} gap @returns {string} */
  why(subject, gap) {
    if (gap.why !== WHY[0]) return gap.why;
    const key = `${subject.path} ${Math.round(gap.from_s)} ${subject.columns.bucket_s}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const canAsk = this.#app.connection.status.phase === 'live' && this.#running < MOST_AT_ONCE;
    if (canAsk && !this.#asked.has(key) && isWorthIt(subject)) this.#ask(key, subject, gap);
    return gap.why;
  }

  /** @param {string} key @param {Subject} subject @param {Gap} gap */
  async #ask(key, subject, gap) {
    this.#asked.add(key);
    this.#running += 1;
    try {
      const why = await this.#find(subject, gap);
      if (why === null) return;
      this.#known.set(key, why);
      this.emit('found', null);
    } catch (error) {
      if (!(error instanceof Error)) throw error; // else: not known, and asked again after the next reconnection
    } finally {
      this.#running -= 1;
    }
  }

  /** @param {Subject} subject @param {Gap} gap @returns {Promise<string | null>} */
  async #find({ path, period_s, columns }, { from_s }) {
    const reach_s = columns.bucket_s + 4 * period_s;
    const span = { start: from_s - reach_s, end: from_s + reach_s, granularity: 'raw' };
    const [device] = path.split('/');
    const stream = this.#app.store.devices.has(device) ? [path, `${device}/_state`] : [path];
    const reply = await fetchData({ ...span, stream });
    const own = reply.streams.find((one) => one.path === path);
    const states = reply.streams.find((one) => one.path !== path);
    return qualityWord(own) ?? stateWord(states);
  }
}

/** @param {Subject} subject */
function isWorthIt({ period_s, columns }) {
  return Number.isFinite(period_s) && (2 * (columns.bucket_s + 4 * period_s)) / period_s < MOST_READINGS;
}

/** @param {import('../shapes.js').Columns | undefined} columns raw @returns {string | null} */
export function qualityWord(columns) {
  const values = columns?.v ?? [];
  for (let i = 0; i < values.length; i += 1) {
    const code = (columns?.quality?.[i] ?? 0) & QUALITY_CODE_MASK;
    if (isMissing(values[i]) && code !== 0) return WHY[code] ?? WHY[WHY.length - 1];
  }
  return null;
}

/** @param {any} value */
function isMissing(value) {
  return value === null || Number.isNaN(value);
}

/** The state of the device that is not online. @param {import('../shapes.js').Columns | undefined} columns raw @returns {string | null} */
export function stateWord(columns) {
  const away = Array.from(columns?.v ?? []).find((state) => typeof state === 'string' && state !== 'online' && state !== 'connecting');
  return away ?? null;
}
