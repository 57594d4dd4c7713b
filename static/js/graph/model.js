// @ts-check
/**
 * What the graph page shows and how it got there: the view, its columns, the cursor and the way back.
 *
 * Every change goes through `setView`, which keeps the address bar true. The trap: a live range slides
 * by itself; it changes no address and fetches nothing until its buckets are due.
 */

import { Emitter } from '../emitter.js';
import { describe } from '../router.js';
import { Annotations } from './annotations.js';
import { GapReasons } from './gap_reasons.js';
import { Loader } from './loader.js';
import { Palette } from './palette.js';
import { isSameRange, resolve, spanOf, zoom } from './range.js';
import { formatView } from './view.js';

/** @typedef {import('./view.js').View} View */
/** @typedef {import('./extents.js').Drawn} Drawn */
/** @typedef {'push' | 'replace' | 'burst' | 'silent'} How `burst`: one entry of the history for many changes */

/** Free space at the right of the live end. */
const LIVE_ROOM = 0.015;
/** Over longer ranges a second moves nothing that could be seen. */
const CALM_FROM_S = 6 * 3600;
const BURST_MS = 300;
const GESTURE_FETCH_MS = 70;
/** What could not be fetched is asked for again after that long, as long as the range is live. */
const RETRY_S = 10;

/** @extends {Emitter<{view: null, data: null, draw: null, cursor: null, notes: null}>} */
export class GraphModel extends Emitter {
  /** @type {number | null} */
  cursor_s = null;
  palette = new Palette();
  width_px = 1000;
  #way = 0;
  #isPushDue = false;
  /** @type {any} */
  #addressTimer = 0;
  /** @type {any} */
  #fetchTimer = 0;
  #isDrawDue = false;
  #lastLive_ms = 0;
  /** @type {Array<() => void>} */
  #ends = [];

  /** @param {import('../shapes.js').App} app @param {View} view */
  constructor(app, view) {
    super();
    this.app = app;
    this.view = view;
    this.loader = new Loader(app);
    this.reasons = new GapReasons(app);
    this.annotations = new Annotations(app);
    this.palette.assign(view.streams);
  }

  start() {
    this.#ends = [
      this.loader.on('changed', () => this.#changed()),
      this.loader.on('tail', () => this.requestLiveDraw()),
      this.annotations.on('changed', () => this.#annotated()),
      this.app.connection.on('hello', () => this.#reconnected()),
      this.app.store.on('devices', () => this.loader.describeAnew()),
      this.app.store.on('tick', () => this.#tick()),
    ];
    if (this.view.streams.length) this.#describe('replace'); // what was left out of a link is in the address, too
    this.#fetch();
  }

  stop() {
    for (const end of this.#ends) end();
    clearTimeout(this.#addressTimer);
    clearTimeout(this.#fetchTimer);
    this.loader.stop();
    this.annotations.stop();
  }

  now() {
    return this.app.store.now();
  }

  /** What is visible, with the room at the live end. @returns {[number, number]} */
  ends() {
    const [start_s, end_s] = resolve(this.view.range, this.now());
    return this.view.range.live ? [start_s, end_s + (end_s - start_s) * LIVE_ROOM] : [start_s, end_s];
  }

  /** The streams that are drawn: numeric, there, and not hidden. @returns {Drawn[]} */
  drawn() {
    return this.listed().filter(({ path }) => !this.view.hidden.includes(path));
  }

  /** The streams that could be drawn. @returns {Drawn[]} */
  listed() {
    return this.view.streams.flatMap((path) => {
      const descriptor = this.loader.descriptors.get(path);
      const columns = this.loader.columns.get(path);
      return descriptor && columns ? [{ ...descriptor, pen: this.palette.pen(path), columns }] : [];
    });
  }

  /** What is written on what is visible. */
  shownAnnotations() {
    const [start_s, end_s] = this.ends();
    return this.annotations.within(start_s, end_s, this.view.streams);
  }

  /** Begin to write at a time, or over a range; without one at the cursor, or in the middle. @param {number | null} [start_s] @param {number | null} [end_s] */
  annotate(start_s = null, end_s = null) {
    if (this.view.streams.length) this.annotations.write(start_s ?? this.cursor_s ?? Math.min(this.#middle(), this.now()), end_s, this.view.streams);
  }

  /** @param {Partial<View>} changes @param {How} [how] */
  setView(changes, how = 'push') {
    const before = this.view;
    this.view = { ...before, ...changes };
    this.palette.assign(this.view.streams);
    const isSameData = isSameRange(before.range, this.view.range) && String(before.streams) === String(this.view.streams);
    if (how !== 'silent') this.#describe(how);
    if (!isSameData) this.#fetchSoon(how === 'burst' ? GESTURE_FETCH_MS : 0);
    this.emit('view', null);
    this.requestDraw();
  }

  /** The view before the last change; without one, twice as much. */
  back() {
    this.#flushAddress();
    if (this.#way > 0) history.back();
    else this.setView({ range: zoom(this.view.range, 2, this.#middle(), this.now()) });
  }

  /** The browser went back or forward, or a link of ours was followed. @param {View} view */
  arrive(view) {
    clearTimeout(this.#addressTimer);
    this.#addressTimer = 0;
    this.#way = Math.max(0, this.#way - 1);
    this.setView(view, 'silent');
  }

  /** @param {number | null} time_s */
  setCursor(time_s) {
    this.cursor_s = time_s;
    this.emit('cursor', null);
  }

  /** The plot has another size. @param {number} width_px */
  setWidth(width_px) {
    const isMuchMore = width_px > this.width_px * 1.3;
    this.width_px = width_px;
    if (isMuchMore && this.loader.columns.size) this.#fetchSoon(200);
  }

  /** Draw before the next frame. */
  requestDraw() {
    if (this.#isDrawDue) return;
    this.#isDrawDue = true;
    requestAnimationFrame(() => {
      this.#isDrawDue = false;
      this.emit('draw', null);
    });
  }

  /** Draw when a live reading can be seen to have moved something: about a pixel. */
  requestLiveDraw() {
    const now_ms = performance.now();
    const span_s = spanOf(this.view.range, this.now());
    const perPixel_ms = (span_s / this.width_px) * 1000;
    const most_ms = span_s <= CALM_FROM_S ? 1000 : 5000;
    if (now_ms - this.#lastLive_ms < Math.min(most_ms, Math.max(50, perPixel_ms))) return;
    this.#lastLive_ms = now_ms;
    this.requestDraw();
  }

  #middle() {
    const [start_s, end_s] = this.ends();
    return (start_s + end_s) / 2;
  }

  #changed() {
    this.emit('data', null);
    this.requestDraw();
  }

  #annotated() {
    this.emit('notes', null);
    this.requestDraw();
  }

  #reconnected() {
    this.reasons.askAgain();
    this.loader.reload();
    this.annotations.reload();
  }

  #tick() {
    if (!this.view.range.live) return;
    this.requestLiveDraw();
    const due_s = Math.min(600, Math.max(10, spanOf(this.view.range, this.now()) / 20));
    const isDue = this.now() - this.loader.askedAt_s > (this.loader.problem ? RETRY_S : due_s);
    const isLive = this.app.connection.status.phase === 'live';
    if (isDue && isLive && !this.loader.isLoading && !document.hidden) this.#fetch();
  }

  /** @param {number} delay_ms */
  #fetchSoon(delay_ms) {
    clearTimeout(this.#fetchTimer);
    if (delay_ms === 0) this.#fetch();
    else this.#fetchTimer = setTimeout(() => this.#fetch(), delay_ms);
  }

  #fetch() {
    const [start_s, end_s] = resolve(this.view.range, this.now());
    this.annotations.need(start_s, end_s - start_s);
    const points = Math.round((this.width_px * Math.min(devicePixelRatio || 1, 2)) / 2);
    this.loader.load({
      streams: this.view.streams, start_s, end_s, points: Math.max(100, points), isLive: this.view.range.live,
    });
  }

  /** @param {How} how */
  #describe(how) {
    if (how === 'push' && this.#addressTimer === 0) {
      this.#isPushDue = true;
      this.#flushAddress(true);
      return;
    }
    if (how === 'replace' && this.#addressTimer === 0) {
      this.#flushAddress(true);
      return;
    }
    this.#isPushDue ||= how !== 'replace';
    clearTimeout(this.#addressTimer);
    this.#addressTimer = setTimeout(() => this.#flushAddress(), BURST_MS);
  }

  #flushAddress(isForced = false) {
    if (this.#addressTimer === 0 && !isForced) return;
    clearTimeout(this.#addressTimer);
    this.#addressTimer = 0;
    describe(new URLSearchParams(formatView(this.view)), { replace: !this.#isPushDue });
    if (this.#isPushDue) this.#way += 1;
    this.#isPushDue = false;
  }
}
