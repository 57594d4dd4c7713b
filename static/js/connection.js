// @ts-check
/**
 * The page's one live connection: subscriptions that resume where they were, and calls.
 * It comes back by itself. The trap: a dead network says nothing at all, so silence is asked about, and then believed.
 */

import { ServerClock } from './clock.js';
import { Emitter } from './emitter.js';
import { decode, encode, seconds } from './wire.js';

const PROTOCOL = 'labmon.v1.msgpack';
const QUIET_S = 5; // after that long without a message we ask
const ANSWER_S = 4; // and wait for the answer
const WATCH_S = 1;
const RETRY_S = [0.5, 1, 2, 3, 5];

/** @typedef {import('./shapes.js').ReadingRow} ReadingRow */
/**
 * @typedef {object} Status
 * @property {'connecting' | 'live' | 'lost'} phase
 * @property {number | null} lostAt when the server was heard last, by its own clock
 * @property {number | null} retryAt when it is tried again, by the server's clock
 * @property {string} title what people call the server
 * @property {string} node
 * @property {string} version
 * @property {string} who as whom the server knows this page
 * @property {string} role of theirs: `viewer` watches, others command
 * @property {boolean} isOutdated the server came back with another version: it has other pages than this one
 */
/**
 * @typedef {object} Handlers what a subscription calls; times are Unix seconds
 * @property {(rows: ReadingRow[], sent: number) => void} readings
 * @property {(from: number, to: number) => void} [gap] what the server no longer has at hand: fetch it from history
 * @property {(streams: Record<string, number | null>) => void} [lost] what was shown after that time never became durable
 * @property {(streams: Record<string, number>) => void} [skipped] how many readings this client was too slow for
 */
/** @typedef {{close(): void}} Subscription */
/** @typedef {{streams: string[], after: string | null, handlers: Handlers}} Wish */
/** @typedef {{resolve: (result: any) => void, reject: (error: Error) => void, timer: any}} Call */

/** What the server answered to a call it did not carry out, or the connection in its place (code 0). */
export class RpcError extends Error {
  /**
   * @param {number} code of JSON-RPC; 0 when the connection failed and nobody knows
   * @param {string} message
   * @param {any} [data]
   */
  constructor(code, message, data) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }
}

/** @extends {Emitter<{status: Status, hello: any, device: any, bye: null}>} */
export class Connection extends Emitter {
  clock = new ServerClock();
  /** @type {Status} */
  status = { phase: 'connecting', lostAt: null, retryAt: null, title: 'labmon', node: '', version: '', who: '', role: '', isOutdated: false };
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, Wish>} */
  #wishes = new Map();
  /** @type {Map<number, Call>} */
  #calls = new Map();
  #lastId = 0;
  #failures = 0;
  /** Of the server that this page came from. */
  #version = '';
  #heard = 0;
  /** @type {number | null} when the unanswered question was asked */
  #asked = null;
  /** When the silence was last looked at. */
  #watched = 0;
  /** The page stood while it waited for the answer, which was given more time once. */
  #wasStanding = false;
  /** @type {any} */
  #retry = null;
  #url;
  #open;

  /**
   * @param {string} url
   * @param {(url: string, protocols: string[]) => WebSocket} [open]
   */
  constructor(url, open = (address, protocols) => new WebSocket(address, protocols)) {
    super();
    this.#url = url;
    this.#open = open;
  }

  /** Connects, and stays connected. */
  start() {
    this.#heard = this.#watched = Date.now();
    setInterval(() => this.#watch(), WATCH_S * 1000);
    this.#connect();
  }

  /** Tries at once instead of at the next appointed time. */
  retryNow() {
    if (this.status.phase !== 'live' && !this.#socket) this.#connect();
  }

  /**
   * Live readings of all streams that match one of the globs.
   * @param {string[]} streams such as `['wavemeter/*']`; `_commands` and `_state` only where named
   * @param {Handlers} handlers
   * @param {string | null} [after] a cursor from which to go on, such as that of a `DataReply`
   * @returns {Subscription}
   */
  subscribe(streams, handlers, after = null) {
    const id = ++this.#lastId;
    const wish = { streams, after, handlers };
    this.#wishes.set(id, wish);
    if (this.status.phase === 'live') this.#sendWish(id, wish);
    return {
      close: () => {
        this.#wishes.delete(id);
        if (this.status.phase === 'live') this.#send({ type: 'unsubscribe', id });
      },
    };
  }

  /**
   * Calls a method of the server, such as `wavemeter.set_exposure`.
   * @param {string} method
   * @param {any[] | Record<string, any>} [params]
   * @param {number} [timeout_s]
   * @returns {Promise<any>} rejected with `RpcError`
   */
  call(method, params = {}, timeout_s = 30) {
    if (this.status.phase !== 'live') return Promise.reject(new RpcError(0, 'Not connected: nothing was sent'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#calls.delete(id);
        reject(new RpcError(0, `No answer within ${timeout_s} s: it may have happened`));
      }, timeout_s * 1000);
      this.#calls.set(id, { resolve, reject, timer });
      this.#send({ jsonrpc: '2.0', id, method, params });
    });
  }

  /** @param {unknown} message */
  #send(message) {
    this.#socket?.send(encode(message));
  }

  /** @param {number} id @param {Wish} wish */
  #sendWish(id, { streams, after }) {
    this.#send({ type: 'subscribe', id, streams, ...(after === null ? {} : { after }) });
  }

  #connect() {
    clearTimeout(this.#retry);
    const socket = this.#open(this.#url, [PROTOCOL]);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#lose();
    this.#socket = socket;
    this.#asked = Date.now(); // no hello in time counts as no answer
    this.#wasStanding = false;
    this.#announce({ retryAt: null });
  }

  /** @param {ArrayBuffer} data */
  #receive(data) {
    this.#heard = Date.now();
    this.#asked = this.status.phase === 'live' ? null : this.#asked;
    const message = decode(data);
    if (message.jsonrpc) this.#answer(message);
    else if (message.type === 'hello') this.#greet(message);
    else if (message.type === 'device') this.emit('device', message.device);
    else if (message.type === 'bye') this.#lose();
    else this.#deliver(message);
  }

  /** @param {any} message */
  #greet(message) {
    this.#failures = 0;
    this.#asked = null;
    this.clock.reset();
    this.clock.observe(seconds(message.now));
    const { title, node, version, caller } = message;
    this.#version ||= version;
    this.#announce({ phase: 'live', lostAt: null, retryAt: null, title, node, version, ...caller, isOutdated: version !== this.#version });
    for (const [id, wish] of this.#wishes) {
      wish.after ??= message.cursor ?? null;
      this.#sendWish(id, wish);
    }
    this.emit('hello', message);
  }

  /** @param {any} message */
  #deliver(message) {
    const wish = this.#wishes.get(message.id);
    if (!wish) return;
    if (message.cursor) wish.after = message.cursor;
    const { handlers } = wish;
    if (message.type === 'readings') {
      const sent = seconds(message.t);
      this.clock.observe(sent);
      for (const row of message.readings) row[1] = seconds(row[1]);
      handlers.readings(message.readings, sent);
    } else if (message.type === 'gap') {
      handlers.gap?.(seconds(message.from), seconds(message.to));
    } else if (message.type === 'lost') {
      const streams = Object.entries(message.streams).map(([path, t]) => [path, t === null ? null : seconds(t)]);
      handlers.lost?.(Object.fromEntries(streams));
    } else if (message.type === 'skipped') {
      handlers.skipped?.(message.streams);
    }
  }

  /** @param {any} message */
  #answer(message) {
    const call = this.#calls.get(message.id);
    if (!call) return;
    this.#calls.delete(message.id);
    clearTimeout(call.timer);
    if (message.error) call.reject(new RpcError(message.error.code, message.error.message, message.error.data));
    else call.resolve(message.result);
  }

  #watch() {
    const now = Date.now();
    const stood = now - this.#watched > 2 * WATCH_S * 1000;
    this.#watched = now;
    if (!this.#socket) return;
    if (this.#asked !== null && stood && !this.#wasStanding) {
      this.#wasStanding = true; // the answer may be here already, behind this
      this.#asked = now;
    } else if (this.#asked !== null) {
      if (now - this.#asked > ANSWER_S * 1000 && this.#heard <= this.#asked) this.#lose();
    } else if (now - this.#heard > QUIET_S * 1000) {
      this.#asked = now;
      this.#wasStanding = false;
      this.#send({ jsonrpc: '2.0', id: 0, method: 'rpc.ping' });
    }
  }

  #lose() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onmessage = socket.onclose = null; // a dead network lets close() wait for minutes
    socket.close();
    const wait = RETRY_S[Math.min(this.#failures++, RETRY_S.length - 1)] * (0.8 + 0.4 * Math.random());
    this.#retry = setTimeout(() => this.#connect(), wait * 1000);
    const now = this.clock.now();
    const lostAt = this.status.lostAt ?? now - (Date.now() - this.#heard) / 1000;
    this.#announce({ phase: 'lost', lostAt, retryAt: now + wait });
    this.#failCalls();
  }

  #failCalls() {
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      reject(new RpcError(0, 'The connection was lost before the answer came: it may have happened'));
    }
    this.#calls.clear();
  }

  /** @param {Partial<Status>} changes */
  #announce(changes) {
    this.status = { ...this.status, ...changes };
    this.emit('status', this.status);
  }
}
