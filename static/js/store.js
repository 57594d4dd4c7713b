// @ts-check
/**
 * What the pages show: devices, the newest reading of every stream and its last ten minutes. Readings that arrive
 * within one animation frame are told to the pages together. It never judges: staleness is for states.js.
 */

import { fetchData, fetchDevices, fetchLatest, withSeconds } from './api.js';
import { Emitter } from './emitter.js';
import { SPAN_S, Trace } from './trace.js';

/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').ReadingRow} ReadingRow */
/** @typedef {{t: number, value: any, quality: number}} Reading */

const TICK_MS = 500;
const RETRY_MS = 5000;
const RATE_WINDOW_S = 5;
const SEED_POINTS = 150;
/** The server gives no more than 128 in one answer. */
const SEED_STREAMS = 100;
const SMOOTHING = 1 / 12;
const MIN_INTERVALS = 6;
const GAP_INTERVALS = 3;
const GAPS_IN_A_ROW = 3;

/** One stream as the page knows it. */
export class Stream {
  /** @type {Reading | null} */
  reading = null;
  trace = new Trace();

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
    this.trace.add(t, typeof value === 'number' ? value : null, band);
    if (!this.reading || t >= this.reading.t) this.reading = { t, value, quality };
  }
}

/** Where the requests go; the tests put something else here. */
export const HTTP = { fetchData, fetchDevices, fetchLatest };

/** @extends {Emitter<{devices: Map<string, Device>, readings: Set<Stream>, tick: number, seeded: null, problem: Error | null}>} */
export class Store extends Emitter {
  /** In the order of the configuration; empty until `isLoaded`. @type {Map<string, Device>} */
  devices = new Map();
  isLoaded = false;
  /** @type {Map<string, Stream>} */
  #streams = new Map();
  /** @type {Set<Stream>} */
  #dirty = new Set();
  /** @type {{at: number, count: number}[]} arrivals of the last seconds, newest last */
  #arrivals = [];
  #began = 0;
  /** @type {Promise<void> | null} */
  #refreshing = null;
  /** Something changed while all was fetched, so that the answers may be from before it. */
  #isOutdated = false;
  /** What the connection told since the devices were asked for: it is newer than the answer. @type {Map<string, import('./shapes.js').DeviceStatus>} */
  #told = new Map();
  /** @type {{devices: Error | null, history: Error | null}} */
  #problems = { devices: null, history: null };
  /** @type {any} */
  #retry = null;
  #connection;
  #http;
  #frame;

  /**
   * @param {import('./connection.js').Connection} connection
   * @param {typeof HTTP} [http]
   * @param {(callback: () => void) => void} [frame]
   */
  constructor(connection, http = HTTP, frame = (callback) => requestAnimationFrame(callback)) {
    super();
    this.#connection = connection;
    this.#http = http;
    this.#frame = frame;
  }

  /** Starts to listen and fetches what there is. */
  start() {
    this.#connection.on('device', (status) => this.#takeStatus(withSeconds(status)));
    this.#connection.on('hello', () => this.refresh());
    this.#connection.on('status', ({ phase }) => phase === 'lost' && this.#forgetLeases());
    this.#connection.subscribe(['**'], {
      readings: (rows) => this.take(rows),
      gap: () => this.refresh(),
      skipped: () => this.#refetch(),
      lost: (streams) => this.#takeBack(streams),
    });
    setInterval(() => this.emit('tick', this.now()), TICK_MS);
    this.refresh();
  }

  /** The server's Unix time in seconds. */
  now() {
    return this.#connection.clock.now();
  }

  /**
   * A stream by its path, made when asked for.
   * @param {string} path
   * @returns {Stream}
   */
  stream(path) {
    let stream = this.#streams.get(path);
    if (!stream) this.#streams.set(path, (stream = new Stream(path)));
    return stream;
  }

  /** Readings per second of the last seconds. */
  get rate_hz() {
    const now = Date.now();
    while (this.#arrivals.length && now - this.#arrivals[0].at > RATE_WINDOW_S * 1000) this.#arrivals.shift();
    const span_s = Math.min(RATE_WINDOW_S, Math.max(1, (now - this.#began) / 1000));
    return this.#arrivals.reduce((sum, { count }) => sum + count, 0) / span_s;
  }

  /**
   * Live readings, in order of arrival.
   * @param {ReadingRow[]} rows
   */
  take(rows) {
    this.#began ||= Date.now();
    this.#arrivals.push({ at: Date.now(), count: rows.reduce((sum, row) => sum + (row[6] ?? 1), 0) });
    if (this.#arrivals.length > 1000) this.#arrivals.shift();
    for (const [path, t, value, quality, ...band] of rows) this.#touch(path).take(t, value, quality, band);
  }

  /** Fetches devices, newest readings and traces anew; when asked while that runs, once more behind it. */
  refresh() {
    this.#isOutdated = this.#refreshing !== null;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refresh() {
    do {
      this.#isOutdated = false;
      clearTimeout(this.#retry);
      await this.#refetchDevices();
      if (!this.#isOutdated) await this.#refetch();
    } while (this.#isOutdated);
  }

  async #refetchDevices() {
    this.#told.clear();
    await this.#guarded('devices', async () => {
      const [devices, latest] = await Promise.all([this.#http.fetchDevices(), this.#http.fetchLatest('**')]);
      this.devices = new Map(devices.map((device) => [device.name, { ...device, ...this.#told.get(device.name) }]));
      this.#connection.clock.observe(latest.now);
      this.#takeLatest(latest.rows);
      this.isLoaded = true;
      this.emit('devices', this.devices);
    });
  }

  async #refetch() {
    await this.#guarded('history', async () => {
      const paths = this.#drawnPaths();
      for (let i = 0; i < paths.length; i += SEED_STREAMS) {
        const stream = paths.slice(i, i + SEED_STREAMS);
        const data = await this.#http.fetchData({ stream, start: `-${SPAN_S}s`, end: 'now', points: SEED_POINTS });
        for (const columns of data.streams) {
          if (columns.mean || columns.v instanceof Float64Array) this.#touch(columns.path).trace.seed(columns);
        }
        this.emit('seeded', null);
      }
    });
  }

  /** The streams that have a sparkline, as far as there are readings of them. */
  #drawnPaths() {
    const channels = [...this.devices.values()].flatMap((device) => device.channels);
    return channels.filter(({ kind, path }) => kind === 'numeric' && this.#streams.get(path)?.reading).map(({ path }) => path);
  }

  /** What could not be fetched, if anything. */
  get problem() {
    return this.#problems.devices ?? this.#problems.history;
  }

  /** @param {'devices' | 'history'} what @param {() => Promise<void>} fetching */
  async #guarded(what, fetching) {
    try {
      await fetching();
      this.#problems[what] = null;
    } catch (error) {
      this.#problems[what] = error instanceof Error ? error : new Error(String(error));
      this.#refreshLater();
    }
    this.emit('problem', this.problem);
  }

  /** Nobody presses a button before a wall. Without a connection the banner says so, and the next hello fetches. */
  #refreshLater() {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#connection.status.phase === 'live') this.refresh();
    }, RETRY_MS);
  }

  /** @param {ReadingRow[]} rows */
  #takeLatest(rows) {
    for (const [path, t, value, quality] of rows) {
      const stream = this.#touch(path);
      if (!stream.reading || t >= stream.reading.t) stream.reading = { t, value, quality };
    }
  }

  /** @param {import('./shapes.js').DeviceStatus} status */
  #takeStatus(status) {
    this.#told.set(status.name, status);
    const device = this.devices.get(status.name);
    if (!device) {
      this.refresh(); // a device that was not there before
      return;
    }
    Object.assign(device, status);
    this.emit('devices', this.devices);
  }

  /** They end, and are taken, while nobody tells us: known again when the devices are fetched. */
  #forgetLeases() {
    for (const device of this.devices.values()) device.lease = undefined;
  }

  /** @param {Record<string, number | null>} streams */
  #takeBack(streams) {
    for (const [path, t] of Object.entries(streams)) {
      const stream = this.#touch(path);
      stream.trace.dropAfter(t);
      if (stream.reading && (t === null || stream.reading.t > t)) stream.reading = null;
    }
    this.refresh();
  }

  /** @param {string} path */
  #touch(path) {
    const stream = this.stream(path);
    if (!this.#dirty.size) this.#frame(() => this.#flush());
    this.#dirty.add(stream);
    return stream;
  }

  #flush() {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.emit('readings', dirty);
  }
}
