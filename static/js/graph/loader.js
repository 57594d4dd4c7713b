// @ts-check
/**
 * Fetches the columns of a graph and keeps them growing with the live readings.
 *
 * The old columns stay until the new ones are there. A request that nobody waits for any more is
 * aborted. Live goes on from the cursor of the reply, so there is no seam and no doubled reading.
 * The trap: while the store is away history ends earlier than what came live, which is kept then.
 */

import { fetchData } from '../api.js';
import { Emitter } from '../emitter.js';
import { GAP_RETRY_MS, notOftener } from '../polling.js';
import { columnsOf } from './columns.js';
import { fetchDescriptors, knownDescriptors, toldApart } from './descriptors.js';
import { appendReading, dropAfter, isOutrun, pieceOf } from './tail.js';

/** @typedef {import('./columns.js').Columns} Columns */
/** @typedef {import('./descriptors.js').Descriptor} Descriptor */
/** @typedef {{streams: string[], start_s: number, end_s: number, points: number, isLive: boolean}} Wanted */

const FIELDS = 'mean,min,max,count,std_dev';
/** More than is seen, so that panning does not run into emptiness at once. */
const MARGIN = 0.15;

/** @extends {Emitter<{changed: null, tail: null}>} */
export class Loader extends Emitter {
  /** @type {Map<string, Columns>} */
  columns = new Map();
  /** @type {Map<string, Descriptor>} */
  descriptors = new Map();
  /** @type {Error | null} */
  problem = null;
  /** Also before the first question: a busy browser shows the page long before it asks. */
  isLoading = true;
  /** When columns were last asked for, by the server's clock. */
  askedAt_s = -Infinity;
  /** Of the history: a device that was given another unit since is not recorded, and its readings are no part of the line. @type {Map<string, string>} */
  #units = new Map();
  /** @type {Wanted | null} */
  #wanted = null;
  /** What the columns were fetched for. @type {Wanted | null} */
  #drawn = null;
  #gaps = notOftener(() => this.reload(), GAP_RETRY_MS);
  /** @type {AbortController | null} */
  #abort = null;
  /** @type {import('../connection.js').Subscription | null} */
  #subscription = null;
  #app;

  /** @param {import('../shapes.js').App} app */
  constructor(app) {
    super();
    this.#app = app;
  }

  /** Whether a stream was asked for and is not there. @param {string} path */
  isMissing(path) {
    return !this.isLoading && this.problem === null && !this.descriptors.has(path);
  }

  /** @param {Wanted} wanted */
  async load(wanted) {
    this.#wanted = wanted;
    this.askedAt_s = this.#app.store.now();
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.isLoading = true;
    try {
      await this.#fetch(wanted, abort.signal);
      this.problem = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.problem = error instanceof Error ? error : new Error(String(error));
    }
    if (this.#abort !== abort) return;
    this.isLoading = false;
    this.emit('changed', null);
  }

  /** The same again: after a gap in the connection, or to settle the buckets at the live end. */
  reload() {
    if (this.#wanted) this.load(this.#wanted);
  }

  /** The server told of its devices anew: started again, it may have other units and labels for them. */
  describeAnew() {
    const before = JSON.stringify([...this.descriptors]);
    this.#describe(this.#wanted?.streams ?? []);
    if (JSON.stringify([...this.descriptors]) !== before) this.emit('changed', null);
  }

  /** What the page knows of these streams, which are on the graph together. @param {string[]} paths */
  #describe(paths) {
    for (const [path, known] of knownDescriptors(this.#app.store, paths)) {
      const unit = this.#units.get(path) ?? known.unit;
      this.descriptors.set(path, unit === known.unit ? known : { ...known, unit, stale_s: 0 });
    }
    const streams = paths.flatMap((path) => this.descriptors.get(path) ?? []);
    for (const stream of toldApart(streams)) this.descriptors.set(stream.path, stream);
  }

  stop() {
    this.#abort?.abort();
    this.#gaps.stop();
    this.#subscription?.close();
    this.#subscription = null;
  }

  /** @param {Wanted} wanted @param {AbortSignal} signal */
  async #fetch(wanted, signal) {
    const { streams, start_s, end_s, points, isLive } = wanted;
    const drawn = this.#drawnUntil(wanted); // before it is asked: what comes meanwhile, history need not have
    this.#describe(streams);
    const unknown = streams.filter((path) => !this.descriptors.has(path));
    const describing = fetchDescriptors(unknown, signal);
    describing.catch(() => {}); // awaited below; without this a failure of both would be told twice
    const numeric = streams.filter((path) => this.descriptors.get(path)?.isNumeric ?? true);
    const margin_s = (end_s - start_s) * MARGIN;
    const query = {
      start: start_s - margin_s, end: isLive ? 'now' : end_s + margin_s, points: Math.round(points * (1 + 2 * MARGIN)), fields: FIELDS,
    };
    let reply = unknown.length === 0 && numeric.length ? await fetchData({ ...query, stream: numeric }, { signal }) : null;
    for (const [path, found] of await describing) this.descriptors.set(path, found);
    if (unknown.length) reply = await this.#fetchKnown(streams, query, signal);
    if (signal.aborted) return;
    const replied = (reply?.streams ?? []).filter(({ v, mean }) => mean !== undefined || v instanceof Float64Array);
    const columns = new Map(replied.map((stream) => [stream.path, columnsOf(stream)]));
    if (isOutrun(columns, drawn)) return;
    this.#units = new Map(replied.map(({ path, unit }) => [path, unit ?? '']));
    this.#describe(streams);
    this.columns = columns;
    this.#drawn = wanted;
    this.#follow(reply?.cursor ?? null);
  }

  /** Until when each stream is drawn, if it is drawn as it is wanted again. @param {Wanted} wanted @returns {Map<string, number>} */
  #drawnUntil(wanted) {
    const drawn = this.#drawn;
    const isSame = drawn?.isLive && wanted.isLive && String(drawn.streams) === String(wanted.streams)
      && Math.abs((drawn.end_s - drawn.start_s) - (wanted.end_s - wanted.start_s)) < 1;
    return new Map(isSame ? [...this.columns].map(([path, { newest_s }]) => [path, Math.min(newest_s, this.askedAt_s)]) : []);
  }

  /** @param {string[]} streams @param {any} query @param {AbortSignal} signal */
  async #fetchKnown(streams, query, signal) {
    const stream = streams.filter((path) => this.descriptors.get(path)?.isNumeric);
    return stream.length ? fetchData({ ...query, stream }, { signal }) : null;
  }

  /** @param {string | null} cursor */
  #follow(cursor) {
    this.#subscription?.close();
    this.#subscription = null;
    const paths = [...this.columns.keys()];
    if (paths.length === 0) return;
    this.#subscription = this.#app.connection.subscribe(paths, {
      readings: (rows) => this.#take(rows),
      gap: () => this.#gaps.ask(),
      skipped: () => this.reload(),
      lost: (streams) => this.#takeBack(streams),
    }, cursor);
  }

  /** @param {import('../shapes.js').ReadingRow[]} rows */
  #take(rows) {
    const wanted = this.#wanted;
    for (const [path, time_s, value, quality, ...band] of rows) {
      const columns = this.columns.get(path);
      if (!columns || !wanted || this.descriptors.get(path)?.stale_s === 0) continue;
      const span_s = wanted.end_s - wanted.start_s;
      const isFar = !wanted.isLive && time_s > wanted.end_s + span_s * MARGIN;
      if (isFar) continue; // a fixed range does not grow for ever
      if (wanted.isLive) columns.forgetBefore(time_s - span_s * (1 + MARGIN)); // nor does a page that is not seen and fetches nothing anew
      const piece = pieceOf(typeof value === 'number' ? value : null, band);
      appendReading(columns, time_s, piece, quality, this.descriptors.get(path)?.period_s);
    }
    this.emit('tail', null);
  }

  /** @param {Record<string, number | null>} streams */
  #takeBack(streams) {
    for (const [path, time_s] of Object.entries(streams)) {
      const columns = this.columns.get(path);
      if (columns) dropAfter(columns, time_s ?? -Infinity);
    }
    this.reload();
  }
}
