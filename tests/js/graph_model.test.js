// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Emitter } from '../../static/js/emitter.js';
import { GraphModel } from '../../static/js/graph/model.js';
import { parseView } from '../../static/js/graph/view.js';

const NOW = 1_795_356_247;
const NOTES = 'labmon/_annotations';
const CHANNEL = { name: 'ch', path: 'a/ch', label: 'Power', unit: 'V', digits: 2, scientific: false, kind: 'numeric' };

/** @type {any} */
let app;
/** @type {string[]} */
let requests;
/** @type {string[]} */
let addresses;
/** @type {any[]} */
let subscriptions;
/** @type {any[]} */
let notes;
/** @type {() => void} */
let answer;

beforeEach(() => {
  requests = [];
  addresses = [];
  subscriptions = [];
  notes = [];
  answer = () => {};
  const connection = Object.assign(new Emitter(), {
    status: { phase: 'live' },
    subscribe(/** @type {string[]} */ paths, /** @type {any} */ handlers, /** @type {any} */ after) {
      const subscription = { paths, handlers, after, isOpen: true, close() { this.isOpen = false; } };
      (paths[0] === NOTES ? notes : subscriptions).push(subscription);
      return subscription;
    },
  });
  const store = Object.assign(new Emitter(), { now: () => NOW, devices: new Map([['a', { period_s: 1, channels: [CHANNEL] }]]) });
  app = { connection, store };
  Object.assign(globalThis, {
    devicePixelRatio: 1,
    document: { hidden: false },
    location: { pathname: '/graph' },
    history: { pushState: (/** @type {any} */ _1, /** @type {any} */ _2, /** @type {string} */ url) => addresses.push(`push ${url}`), replaceState: (/** @type {any} */ _1, /** @type {any} */ _2, /** @type {string} */ url) => addresses.push(`replace ${url}`), back: () => addresses.push('back') },
    requestAnimationFrame: (/** @type {() => void} */ callback) => callback(),
    fetch: (/** @type {string} */ url, /** @type {any} */ { signal } = {}) => new Promise((resolve, reject) => {
      if (url.includes('/annotations')) return resolve(noted());
      requests.push(url);
      signal.addEventListener('abort', () => reject(signal.reason));
      answer = () => resolve(reply());
    }),
  });
});

/** Nobody has written anything yet. */
function noted() {
  return { ok: true, headers: { get: () => 'application/json' }, json: async () => ({ stream: NOTES, cursor: 'n.1.5', annotations: [] }) };
}

function reply() {
  const body = { start: NOW - 3600, end: NOW, cursor: 'n.1.5', streams: [{ path: 'a/ch', unit: 'V', granularity: 'raw', bucket_s: 0, t: [NOW - 2, NOW - 1], v: [1, null], quality: [0, 1] }] };
  return { ok: true, headers: { get: () => 'application/json' }, json: async () => body };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

async function loaded(search = '?streams=a/ch') {
  const model = new GraphModel(app, parseView(search, NOW));
  model.start();
  await settled();
  answer();
  await settled();
  return model;
}

test('what is fetched is a little more than what is shown, and live goes on from its cursor', async () => {
  const model = await loaded('?streams=a/ch&start=-1000s&end=now');
  const query = new URL(requests[0], 'http://x').searchParams;
  assert.deepEqual([query.get('stream'), query.get('start'), query.get('end')], ['a/ch', String(NOW - 1150), 'now']);
  assert.deepEqual([subscriptions[0].paths, subscriptions[0].after], [['a/ch'], 'n.1.5']);
  subscriptions[0].handlers.readings([['a/ch', NOW, 3, 0], ['b/other', NOW, 9, 0]]);
  const [stream] = model.drawn();
  assert.deepEqual([...stream.columns.mean.subarray(0, stream.columns.length)], [1, NaN, 3]);
  model.stop();
  assert.equal(subscriptions[0].isOpen, false);
});

test('a new range aborts the request before, and the old columns stay until the new ones are there', async () => {
  const model = await loaded();
  const before = model.loader.columns;
  model.setView({ range: { live: false, start_s: NOW - 100, end_s: NOW - 50 } });
  model.setView({ range: { live: false, start_s: NOW - 90, end_s: NOW - 60 } });
  await settled();
  assert.equal(requests.length, 3);
  assert.equal(model.loader.columns, before);
  assert.equal(model.loader.problem, null);
  answer();
  await settled();
  assert.notEqual(model.loader.columns, before);
  assert.deepEqual(subscriptions.map(({ isOpen }) => isOpen), [false, true]);
  model.stop();
});

test('every change is in the address, a burst of them is one step back', async () => {
  const model = await loaded();
  assert.deepEqual(addresses.splice(0), ['replace /graph?streams=a/ch&start=-1h&end=now']);
  model.setView({ band: false }, 'replace');
  model.setView({ range: { live: true, span_s: 300 } });
  model.setView({ range: { live: true, span_s: 310 } }, 'burst');
  model.setView({ range: { live: true, span_s: 320 } }, 'burst');
  assert.deepEqual(addresses, [
    'replace /graph?streams=a/ch&start=-1h&end=now&band=0',
    'push /graph?streams=a/ch&start=-5min&end=now&band=0',
  ]);
  model.back();
  assert.deepEqual(addresses.slice(2), ['push /graph?streams=a/ch&start=-320s&end=now&band=0', 'back']);
  model.stop();
});

test('going back without a way back shows twice as much', async () => {
  const model = await loaded();
  model.back();
  assert.deepEqual(model.view.range, { live: true, span_s: 7200 });
  model.stop();
});

test('after the connection was away, what it could not hold is fetched', async () => {
  const model = await loaded();
  subscriptions[0].handlers.gap(NOW - 10, NOW);
  assert.equal(requests.length, 2);
  answer();
  await settled();
  subscriptions[1].handlers.lost({ 'a/ch': NOW - 2 });
  assert.deepEqual([...model.loader.columns.get('a/ch')?.t.subarray(0, model.loader.columns.get('a/ch')?.length) ?? []], [NOW - 2]);
  assert.equal(requests.length, 3);
  model.stop();
});

test('while the store is away a graph keeps what came live, and asks for the gap now and then', async () => {
  const model = await loaded('?streams=a/ch&start=-5m&end=now');
  const again = async () => {
    model.loader.reload();
    answer();
    await settled();
  };
  const before = model.loader.columns;
  await again();
  const after = model.loader.columns;
  assert.notEqual(after, before, 'history is as far as what is drawn');
  subscriptions[1].handlers.readings([-0.5, 0].map((lead_s) => ['a/ch', NOW + lead_s, 3, 0]));
  Object.assign(app.store, { now: () => NOW + 60 });
  subscriptions[1].handlers.readings([10, 20, 30].map((lead_s) => ['a/ch', NOW + lead_s, 3, 0]));
  await again();
  assert.equal(model.loader.columns, after);
  assert.deepEqual(subscriptions.map(({ isOpen }) => isOpen), [false, true], 'live goes on where it was');
  assert.equal(model.loader.isLoading, false);
  const asked = requests.length;
  for (let i = 0; i < 3; i++) subscriptions[1].handlers.gap(NOW - 10, NOW);
  assert.equal(requests.length, asked + 1);
  model.setView({ range: { live: true, span_s: 3600 } });
  answer();
  await settled();
  assert.notEqual(model.loader.columns, after, 'another range is what history has');
  model.stop();
});

test('a server that refuses is not asked again at every tick', async () => {
  const model = await loaded('?streams=a/ch&start=-5m&end=now');
  const before = requests.length;
  app.store.now = () => NOW + 60;
  app.store.emit('tick', NOW + 60);
  await settled();
  assert.equal(requests.length, before + 1);
  globalThis.fetch = async (url) => {
    if (String(url).includes('/data')) requests.push(String(url));
    return /** @type {any} */ ({ ok: false, status: 503, headers: { get: () => 'application/json' }, json: async () => ({ error: { code: 'busy', message: 'busy' } }) });
  };
  model.loader.reload();
  await settled();
  assert.equal(model.loader.problem?.message, 'busy');
  const refused = requests.length;
  for (let i = 0; i < 5; i += 1) app.store.emit('tick', NOW + 60);
  await settled();
  assert.equal(requests.length, refused);
  app.store.now = () => NOW + 71;
  app.store.emit('tick', NOW + 71);
  await settled();
  assert.equal(requests.length, refused + 1);
  model.stop();
});

test('before anything has answered nobody says that a stream is not there', () => {
  const model = new GraphModel(app, parseView('streams=old/value', NOW));
  assert.equal(model.loader.isMissing('old/value'), false, 'a busy browser shows a page long before it fetches');
  assert.equal(model.loader.isLoading, true);
});

test('a stream that is not there is said, not asked for', async () => {
  const model = new GraphModel(app, parseView('?streams=gone/ch', NOW));
  globalThis.fetch = async (url) => {
    if (String(url).includes('/annotations')) return /** @type {any} */ (noted());
    requests.push(String(url));
    return /** @type {any} */ ({ ok: true, headers: { get: () => 'application/json' }, json: async () => ({ streams: [] }) });
  };
  model.start();
  await settled();
  assert.deepEqual(requests, ['/api/v1/streams?path=gone%2Fch']);
  assert.equal(model.loader.isMissing('gone/ch'), true);
  assert.deepEqual(model.drawn(), []);
  model.stop();
});

const NOTE = { id: 'x', version: 1, text: 'Relocked', end: null, streams: ['a/ch'], who: 'anna', changed_by: 'anna', removed: false };

test('what others write is seen at once, on the graphs that it is about', async () => {
  const model = await loaded();
  await settled();
  const seen = () => model.shownAnnotations().map(({ text }) => text);
  const write = (/** @type {any} */ note, at = NOW - 60) => notes[0].handlers.readings([[NOTES, at, { ...NOTE, ...note }, 0]]);
  assert.deepEqual([notes[0].paths, notes[0].after], [[NOTES], 'n.1.5']);
  write({});
  write({ id: 'y', streams: ['other/ch'], text: 'not here' });
  write({ id: 'z', streams: [], text: 'everywhere' }, NOW - 30);
  write({ id: 'r', end: NOW - 3000, text: 'began before' }, NOW - 9000);
  assert.deepEqual(seen(), ['began before', 'Relocked', 'everywhere']);
  write({ version: 3, text: 'relocked' }, NOW - 20);
  write({ version: 2, text: 'an older one that comes late' });
  assert.deepEqual(seen(), ['began before', 'everywhere', 'relocked']);
  write({ version: 4, removed: true });
  assert.deepEqual(seen(), ['began before', 'everywhere']);
  model.stop();
  assert.equal(notes[0].isOpen, false);
});

test('one is written at the cursor, or in the middle, on the streams that are shown', async () => {
  const model = await loaded();
  model.annotate();
  assert.deepEqual([model.annotations.draft?.start, model.annotations.draft?.end, model.annotations.draft?.streams].flat().slice(1), [null, 'a/ch']);
  assert.ok(Math.abs((model.annotations.draft?.start ?? 0) - (NOW - 1800)) < 60);
  model.setCursor(NOW - 7);
  model.annotate();
  assert.equal(model.annotations.draft?.start, NOW - 7);
  const calls = /** @type {any[]} */ ([]);
  app.connection.call = async (/** @type {any[]} */ ...call) => {
    calls.push(call);
    return { ...NOTE, start: NOW - 7 };
  };
  await model.annotations.save({ .../** @type {any} */ (model.annotations.draft), text: 'Relocked' });
  assert.deepEqual(calls, [['annotation.add', { text: 'Relocked', start: NOW - 7, end: null, streams: ['a/ch'] }]]);
  assert.deepEqual([model.annotations.draft, model.shownAnnotations().length], [null, 1]);
  await model.annotations.remove('x');
  assert.deepEqual([calls[1], model.shownAnnotations()], [['annotation.remove', { id: 'x' }], []]);
  model.stop();
});
