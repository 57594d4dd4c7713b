// @ts-check
/**
 * What people wrote on graphs: fetched once, and kept as it is by the readings of the stream that has it.
 *
 * The trap: every version comes as a reading at the time it is about, in any order; the highest one counts.
 */

import { request } from '../api.js';
import { Emitter } from '../emitter.js';
import { GAP_RETRY_MS, notOftener } from '../polling.js';
import { roleObstacle } from '../roles.js';

/**
 * @typedef {object} Annotation
 * @property {string} id
 * @property {number} version
 * @property {number} start Unix seconds
 * @property {number | null} end null: it is about one moment
 * @property {string} text
 * @property {string[]} streams paths; none: on all graphs
 * @property {string} who
 * @property {string} changed_by
 * @property {boolean} removed
 */
/** @typedef {{id: string | null, start: number, end: number | null, text: string, streams: string[], who: string, changed_by: string}} Draft one that is being written; without an id a new one */

/** @extends {Emitter<{changed: null}>} */
export class Annotations extends Emitter {
  /** @type {Draft | null} */
  draft = null;
  /** Whether the next place on the plot is where somebody wants to write. */
  isMarking = false;
  /** Whether somebody wants to write who may not: the page says why. */
  isRefused = false;
  /** @type {Map<string, Annotation>} */
  #known = new Map();
  #from_s = Infinity;
  #turn = 0;
  #gaps = notOftener(() => this.reload(), GAP_RETRY_MS);
  /** @type {import('../connection.js').Subscription | null} */
  #subscription = null;
  #app;

  /** @param {import('../shapes.js').App} app */
  constructor(app) {
    super();
    this.#app = app;
  }

  /** Have all from a time on, if they are not there already. @param {number} start_s @param {number} margin_s fetched besides */
  need(start_s, margin_s) {
    if (start_s >= this.#from_s) return;
    this.#from_s = start_s - margin_s;
    this.reload();
  }

  /** The same again: after a gap in the connection. */
  async reload() {
    if (this.#from_s === Infinity) return;
    const turn = ++this.#turn;
    try {
      const found = await request('annotations', { start: Math.max(0, this.#from_s) });
      if (turn !== this.#turn) return;
      this.#known = new Map(found.annotations.map((/** @type {any} */ one) => [one.id, one]));
      this.#follow(found.stream, found.cursor);
      this.emit('changed', null);
    } catch {
      this.#from_s = Infinity; // the graph says what is wrong with the connection; the next change of the view asks again
    }
  }

  stop() {
    this.#turn += 1;
    this.#gaps.stop();
    this.#subscription?.close();
    this.#subscription = null;
  }

  /** @param {string} stream @param {string} cursor */
  #follow(stream, cursor) {
    this.#subscription?.close();
    this.#subscription = this.#app.connection.subscribe([stream], {
      readings: (rows) => rows.forEach(([, time_s, value]) => this.take({ ...value, start: time_s })),
      gap: () => this.#gaps.ask(),
      skipped: () => this.reload(),
      lost: () => this.reload(),
    }, cursor);
  }

  /** One version, from whoever wrote it. @param {Annotation} one */
  take(one) {
    if (!one || typeof one.id !== 'string' || (this.#known.get(one.id)?.version ?? 0) >= one.version) return;
    this.#known.set(one.id, one);
    this.emit('changed', null);
  }

  /** Those that stand on a graph of some streams in a range, by time. @param {number} start_s @param {number} end_s @param {string[]} paths */
  within(start_s, end_s, paths) {
    return [...this.#known.values()]
      .filter(({ start, end, streams, removed }) => !removed && start <= end_s && (end ?? start) >= start_s && (streams.length === 0 || streams.some((path) => paths.includes(path))))
      .sort((a, b) => a.start - b.start || (a.id < b.id ? -1 : 1));
  }

  /** Why one may read but not write; empty where one may. */
  get obstacle() {
    return roleObstacle(this.#app.connection.status);
  }

  /** Let the next click or drag on the plot say where. @param {boolean} isMarking */
  mark(isMarking) {
    this.isRefused = isMarking && this.obstacle !== '';
    this.isMarking = isMarking && !this.isRefused;
    this.emit('changed', null);
  }

  /** Begin to write. @param {number} start @param {number | null} end @param {string[]} streams */
  write(start, end, streams) {
    if (this.obstacle) this.mark(true);
    else this.open({ id: null, start, end, text: '', streams, who: '', changed_by: '' });
  }

  /** Show one as it is now, or what is to become one; null: close. @param {Draft | null} draft */
  open(draft) {
    this.isMarking = false;
    this.draft = (draft?.id && this.#known.get(draft.id)) || draft;
    this.emit('changed', null);
  }

  /** What was written goes to everybody. @param {Draft} draft @returns {Promise<void>} rejected with `RpcError` */
  async save({ id, text, start, end, streams }) {
    const params = { text, start, end, streams };
    this.take(await (id === null ? this.#app.connection.call('annotation.add', params) : this.#app.connection.call('annotation.change', { id, ...params })));
    this.open(null);
  }

  /** @param {string} id @returns {Promise<void>} rejected with `RpcError` */
  async remove(id) {
    await this.#app.connection.call('annotation.remove', { id });
    const known = this.#known.get(id);
    if (known) this.take({ ...known, version: known.version + 1, removed: true });
    this.open(null);
  }
}
