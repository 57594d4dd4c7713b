// @ts-check
/**
 * What the pages show: devices, the newest reading of every stream, and the last ten minutes of those whose sparkline
 * was seen. Readings that arrive within one animation frame are told to the pages together. It never judges: staleness
 * is for states.js.
 */

import { fetchData, fetchDevices, fetchLatest, withSeconds } from './api.js';
import { Emitter } from './emitter.js';
import { Stream } from './stream.js';
import { SPAN_S } from './trace.js';

/** @typedef {import('./shapes.js').Device} Device */
/** @typedef {import('./shapes.js').Channel} Channel */
/** @typedef {import('./shapes.js').ReadingRow} ReadingRow */

const TICK_MS = 500;
const RETRY_MS = 5000;
const RATE_WINDOW_S = 5;
const SEED_POINTS = 150;
/** The server gives no more than 128 in one answer. */
const SEED_STREAMS = 100;

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
  /** @type {Set<Stream>} those whose trace is kept */
  #followed = new Set();
  /** Those of them whose history has still to be asked for, the newest wish last. @type {Set<Stream>} */
  #unseeded = new Set();
  #isSeeding = false;
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

  /**
   * From now on the last ten minutes of a stream of numbers are there, for its sparkline.
   * @param {Stream} stream
   */
  follow(stream) {
    if (stream.isFollowed) return;
    stream.isFollowed = true;
    this.#followed.add(stream);
    this.#unseeded.add(stream);
    this.#seed();
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

  #refetch() {
    this.#unseeded = new Set(this.#followed);
    return this.#seed();
  }

  /** Fetches the histories that are missing, also those that are wished for meanwhile. */
  async #seed() {
    if (this.#isSeeding) return;
    this.#isSeeding = true;
    await this.#guarded('history', async () => {
      await null; // many may be wished for together
      try {
        for (let some = this.#nextUnseeded(); some.length; some = this.#nextUnseeded()) await this.#seedSome(some);
      } finally {
        this.#isSeeding = false;
      }
    });
  }

  /** @param {Stream[]} streams */
  async #seedSome(streams) {
    for (const stream of streams) this.#unseeded.delete(stream); // before it is asked: it may become outdated meanwhile
    try {
      const data = await this.#http.fetchData({ stream: streams.map(({ path }) => path), start: `-${SPAN_S}s`, end: 'now', points: SEED_POINTS });
      for (const columns of data.streams) {
        if (columns.mean || columns.v instanceof Float64Array) this.#touch(columns.path).trace.seed(columns);
      }
    } catch (error) {
      for (const stream of streams) this.#unseeded.add(stream);
      throw error;
    }
    this.emit('seeded', null);
  }

  /** The newest wishes first: what was scrolled past may wait. Of what has no reading there is no history. */
  #nextUnseeded() {
    return [...this.#unseeded].reverse().filter(({ reading }) => reading).slice(0, SEED_STREAMS);
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
