// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { ServerClock } from '../../static/js/clock.js';
import { Emitter } from '../../static/js/emitter.js';
import { Store } from '../../static/js/store.js';

const NOW = 1_795_356_247;

/** A connection that the test speaks for. @extends {Emitter<any>} */
class FakeConnection extends Emitter {
  clock = new ServerClock(() => NOW);
  status = { phase: 'live' };
  /** @type {any} */
  handlers = null;

  /** @param {string[]} _globs @param {any} handlers */
  subscribe(_globs, handlers) {
    this.handlers = handlers;
    return { close() {} };
  }
}

/** @type {any} */
let connection;
/** @type {Store} */
let store;
/** @type {(() => void)[]} */
let frames;
/** @type {any} */
let http;

/** @param {any} [changes] @returns {any} */
const device = (changes) => ({ name: 'a', title: 'A', state: 'online', since: NOW, last_error_time: null, channels: [{ path: 'a/b', kind: 'numeric' }], ...changes });
const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(async () => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  connection = new FakeConnection();
  frames = [];
  http = {
    fetchDevices: mock.fn(async () => [device()]),
    fetchLatest: mock.fn(async () => ({ now: NOW + 100, rows: [['a/b', NOW - 1, 1, 0]] })),
    fetchData: mock.fn(async () => ({
      start: 0, end: 0, cursor: '', streams: [{
        path: 'a/b', unit: '', granularity: 'raw', bucket_s: 0, t: Float64Array.of(NOW - 60), v: Float64Array.of(3), quality: Float64Array.of(0),
      }],
    })),
  };
  store = new Store(connection, http, (callback) => frames.push(callback));
  store.start();
  await settled();
  store.follow(store.stream('a/b'));
  await settled();
});

test('it begins with the devices, their newest readings and the last ten minutes', () => {
  assert.ok(store.isLoaded);
  assert.deepEqual([...store.devices.keys()], ['a']);
  assert.deepEqual(store.stream('a/b').reading, { t: NOW - 1, value: 1, quality: 0 });
  assert.equal(store.stream('a/b').trace.stretches(NOW, 1).length, 1);
  assert.equal(store.now(), NOW + 100, 'by the server’s clock');
});

/** Streams that the page has heard of. @param {number} count */
function heard(count) {
  const paths = Array.from({ length: count }, (_, i) => `c/${i}`);
  connection.handlers.readings(paths.map((path) => [path, NOW - 1, 1, 0]));
  return paths.map((path) => store.stream(path));
}

/** What histories were asked for, request by request. @returns {string[][]} */
const asked = () => http.fetchData.mock.calls.map((/** @type {any} */ call) => call.arguments[0].stream);

test('the history of many streams is fetched in pieces that the server takes, and only of those that are followed', async () => {
  http.fetchData.mock.resetCalls();
  const streams = heard(300);
  for (const stream of streams.slice(0, 250)) store.follow(stream);
  store.follow(store.stream('c/never'));
  await settled();
  assert.deepEqual(asked().map((some) => some.length), [100, 100, 50]);
  assert.deepEqual(new Set(asked().flat()), new Set(streams.slice(0, 250).map(({ path }) => path)));
  store.follow(streams[0]);
  await settled();
  assert.equal(http.fetchData.mock.callCount(), 3, 'each once');
  http.fetchData.mock.resetCalls();
  await store.refresh();
  assert.equal(asked().flat().length, 251, 'and all anew where readings may be missing');
});

test('what is wished for last is fetched first', async () => {
  const streams = heard(400);
  const { ask, letGo } = heldBack(() => ({ start: 0, end: 0, cursor: '', streams: [] }));
  http.fetchData = ask;
  streams.slice(0, 300).forEach((stream) => store.follow(stream));
  await settled();
  streams.slice(300).forEach((stream) => store.follow(stream));
  await letGo();
  const second = /** @type {any} */ (ask.mock.calls[1]).arguments[0].stream;
  assert.deepEqual(new Set(second), new Set(streams.slice(300).map(({ path }) => path)));
});

test('of a stream that nobody follows only the newest reading is kept', () => {
  const [stream] = heard(1);
  assert.equal(stream.reading?.value, 1);
  assert.deepEqual(stream.trace.stretches(NOW, 1), []);
});

test('readings of one frame are told together', () => {
  frames.splice(0).forEach((frame) => frame());
  /** @type {string[][]} */
  const told = [];
  store.on('readings', (streams) => told.push([...streams].map(({ path }) => path)));
  connection.handlers.readings([['a/b', NOW, 2, 0], ['a/c', NOW, 5, 0]]);
  connection.handlers.readings([['a/b', NOW + 1, 3, 0]]);
  assert.deepEqual(told, []);
  assert.equal(frames.length, 1);
  frames[0]();
  assert.deepEqual(told, [['a/b', 'a/c']]);
  assert.equal(store.stream('a/b').reading?.value, 3);
});

test('a late reading does not replace a newer one', () => {
  connection.handlers.readings([['a/b', NOW, 2, 0], ['a/b', NOW - 5, 9, 0x20]]);
  assert.equal(store.stream('a/b').reading?.value, 2);
});

test('the rate of a stream is measured as its readings come', () => {
  for (let i = 0; i < 20; i++) connection.handlers.readings([['a/d', NOW + i / 10, i, 0]]);
  connection.handlers.readings([['a/d', NOW + 60, 1, 0]]); // a gap is no slow rate
  assert.ok(Math.abs(Number(store.stream('a/d').rate_hz) - 10) < 0.01);
  for (let i = 1; i < 20; i++) connection.handlers.readings([['a/d', NOW + 60 + i, i, 0]]);
  assert.ok(Math.abs(Number(store.stream('a/d').rate_hz) - 1) < 0.01);
});

test('a device’s new state is taken over, an unknown device is fetched', async () => {
  connection.emit('device', { ...device(), state: 'offline', since: NOW });
  assert.equal(store.devices.get('a')?.state, 'offline');
  const before = http.fetchDevices.mock.callCount();
  connection.emit('device', { ...device(), name: 'new' });
  await settled();
  assert.equal(http.fetchDevices.mock.callCount(), before + 1);
});

/** Answers that wait until the test lets them go. @param {() => any} answer */
function heldBack(answer) {
  /** @type {(() => void)[]} */
  const waiting = [];
  const ask = mock.fn(() => {
    const answered = answer(); // what was true when it was asked
    return new Promise((resolve) => { waiting.push(() => resolve(answered)); });
  });
  return { ask, letGo: async () => { waiting.splice(0).forEach((go) => go()); await settled(); } };
}

test('a state that was told while the devices were fetched is newer than what was fetched', async () => {
  const { ask, letGo } = heldBack(() => [device({ state: 'connecting' })]);
  http.fetchDevices = ask;
  const refreshed = store.refresh();
  connection.emit('device', { ...device(), state: 'offline', since: NOW + 1 });
  await letGo();
  await refreshed;
  assert.equal(store.devices.get('a')?.state, 'offline');
});

test('the first devices are fetched again when the connection came meanwhile: what changed before it was told to nobody', async () => {
  let state = 'connecting';
  const { ask, letGo } = heldBack(() => [device({ state })]);
  http.fetchDevices = ask;
  connection = new FakeConnection();
  store = new Store(connection, http, (callback) => frames.push(callback));
  store.start();
  state = 'online';
  connection.emit('hello', {});
  await letGo();
  assert.equal(store.devices.get('a')?.state, 'connecting', 'what is there is shown at once');
  await letGo();
  assert.equal(store.devices.get('a')?.state, 'online');
  assert.equal(ask.mock.callCount(), 2);
});

test('what was shown but never became durable is taken back', () => {
  connection.handlers.readings([['a/b', NOW + 5, 2, 0]]);
  http.fetchLatest.mock.mockImplementation(async () => ({ now: NOW, rows: [] }));
  connection.handlers.lost({ 'a/b': NOW });
  assert.equal(store.stream('a/b').reading, null);
});

test('after a gap, and for every new connection, all is fetched again', async () => {
  const before = http.fetchData.mock.callCount();
  connection.handlers.gap(NOW - 100, NOW);
  await settled();
  connection.emit('hello', {});
  await settled();
  assert.equal(http.fetchData.mock.callCount(), before + 2);
});

test('a server that does not answer is a problem to show, not a crash', async () => {
  /** @type {(Error | null)[]} */
  const problems = [];
  store.on('problem', (problem) => problems.push(problem));
  http.fetchDevices.mock.mockImplementation(async () => { throw new TypeError('no network'); });
  await store.refresh();
  assert.deepEqual(problems.map((problem) => problem?.message), ['no network', 'no network'], 'also once the history is there');
  assert.equal(store.problem?.message, 'no network');
});

test('what could not be fetched is fetched again, while there is a connection', async () => {
  const failing = async () => { throw new TypeError('502'); };
  http.fetchDevices.mock.mockImplementation(failing);
  await store.refresh();
  http.fetchDevices.mock.mockImplementation(async () => [device({ title: 'B' })]);
  connection.status.phase = 'lost';
  mock.timers.tick(5000);
  await settled();
  assert.equal(store.devices.get('a')?.title, 'A', 'the next hello fetches');
  connection.status.phase = 'live';
  http.fetchDevices.mock.mockImplementation(failing);
  await store.refresh();
  http.fetchDevices.mock.mockImplementation(async () => [device({ title: 'B' })]);
  mock.timers.tick(5000);
  await settled();
  assert.equal(store.devices.get('a')?.title, 'B');
  assert.equal(store.problem, null);
});

test('an array counts as many readings as it has', () => {
  store.follow(store.stream('adc/in'));
  for (let i = 1; i <= 10; i += 1) connection.handlers.readings([['adc/in', NOW + i / 10, 2, 0, 1, 3, 1000, 2]]);
  assert.ok(Math.abs((store.stream('adc/in').rate_hz ?? 0) - 10_000) < 1);
  assert.ok(store.rate_hz >= 10_000 / 5);
  const [[point]] = store.stream('adc/in').trace.stretches(NOW + 1, 1);
  assert.deepEqual([point.min, point.max], [1, 3]);
});

test('who holds a lease is not known from the loss of the connection until the devices are there anew', async () => {
  connection.emit('device', device({ lease: { owner: 'ann', until: NOW + 60 } }));
  assert.equal(store.devices.get('a')?.lease?.owner, 'ann');
  connection.emit('status', { phase: 'lost' });
  assert.equal(store.devices.get('a')?.lease, undefined);
  http.fetchDevices.mock.mockImplementation(async () => [device({ lease: null })]);
  connection.emit('hello', {});
  await settled();
  assert.equal(store.devices.get('a')?.lease, null);
});
