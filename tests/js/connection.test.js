// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Connection } from '../../static/js/connection.js';
import { decode, encode } from '../../static/js/wire.js';

/** The server's side of a socket, in this process. */
class FakeSocket {
  /** @type {any} */
  onmessage = null;
  /** @type {any} */
  onclose = null;
  /** @type {any[]} */
  sent = [];
  isClosed = false;
  binaryType = '';

  /** @param {Uint8Array} data */
  send(data) {
    this.sent.push(decode(data));
  }

  close() {
    this.isClosed = true;
  }

  /** @param {unknown} message */
  say(message) {
    this.onmessage?.({ data: encode(message).slice().buffer });
  }

  hello(cursor = 'lab.1.0', version = '0.1.0') {
    this.say({ type: 'hello', title: 'Lab 3', node: 'eef006643cfbe210', epoch: 1, version, cursor, now: Date.now() / 1000 });
  }
}

/** @type {FakeSocket[]} */
let sockets = [];
/** @type {Connection} */
let connection;
const newest = () => sockets[sockets.length - 1];

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_795_356_247_000 });
  sockets = [];
  connection = new Connection('ws://lab/api/v1/ws', () => {
    sockets.push(new FakeSocket());
    return /** @type {any} */ (newest());
  });
  connection.start();
});

/** Time goes by in small steps, as it does. @param {number} ms */
function pass(ms) {
  for (let gone = 0; gone < ms; gone += 100) mock.timers.tick(100);
}

const quiet = { readings: () => {} };

test('it is live once the server has said hello, not before', () => {
  assert.equal(connection.status.phase, 'connecting');
  newest().hello();
  assert.equal(connection.status.phase, 'live');
  assert.equal(connection.status.title, 'Lab 3');
});

test('a subscription waits for the hello, and goes on after the last cursor', () => {
  connection.subscribe(['**'], quiet);
  assert.deepEqual(newest().sent, []);
  newest().hello('lab.1.7');
  assert.deepEqual(newest().sent, [{ type: 'subscribe', id: 1, streams: ['**'], after: 'lab.1.7' }]);
  newest().say({ type: 'readings', id: 1, t: Date.now() / 1000, cursor: 'lab.1.9', readings: [] });
  newest().onclose();
  assert.equal(connection.status.phase, 'lost');
  pass(700);
  newest().hello('lab.1.40');
  assert.equal(newest().sent[0].after, 'lab.1.9', 'what came in between is asked for');
});

test('readings reach their subscription, their times in seconds', () => {
  /** @type {any[]} */
  const seen = [];
  connection.subscribe(['a/*'], { readings: (rows, sent) => seen.push([rows, sent]) });
  newest().hello();
  newest().say({ type: 'readings', id: 1, t: 1.5e18, cursor: 'c', readings: [['a/b', 1.4e18, 2.5, 16]] });
  assert.deepEqual(seen, [[[['a/b', 1.4e9, 2.5, 16]], 1.5e9]]);
});

test('gaps, losses and skipped readings are told', () => {
  /** @type {any[]} */
  const seen = [];
  connection.subscribe(['**'], {
    ...quiet,
    gap: (from, to) => seen.push([from, to]),
    lost: (streams) => seen.push(streams),
    skipped: (streams) => seen.push(streams),
  });
  newest().hello();
  newest().say({ type: 'gap', id: 1, from: 1.5e18, to: 1.6e18 });
  newest().say({ type: 'lost', id: 1, streams: { 'a/b': 1.5e18, 'a/c': null } });
  newest().say({ type: 'skipped', id: 1, streams: { 'a/b': 7 } });
  assert.deepEqual(seen, [[1.5e9, 1.6e9], { 'a/b': 1.5e9, 'a/c': null }, { 'a/b': 7 }]);
});

test('a call is answered, refused, or fails with the connection', async () => {
  await assert.rejects(connection.call('x.y'), { code: 0 });
  newest().hello();
  const good = connection.call('wavemeter.set_exposure', { channel: 1, milliseconds: 5 });
  const bad = connection.call('wavemeter.set_exposure', { channel: 9 });
  const [first, second] = newest().sent;
  assert.deepEqual(first.params, { channel: 1, milliseconds: 5 });
  newest().say({ jsonrpc: '2.0', id: second.id, error: { code: -32006, message: 'at most 8' } });
  newest().say({ jsonrpc: '2.0', id: first.id, result: null });
  assert.equal(await good, null);
  await assert.rejects(bad, { name: 'RpcError', code: -32006, message: 'at most 8' });
  const open = connection.call('a.b');
  newest().onclose();
  await assert.rejects(open, /it may have happened/);
});

test('silence is asked about, an answer of any kind is life', () => {
  newest().hello();
  pass(6000);
  assert.equal(newest().sent[0].method, 'rpc.ping');
  newest().say({ jsonrpc: '2.0', id: 0, error: { code: -32601, message: 'no such method' } });
  pass(4000);
  assert.equal(connection.status.phase, 'live');
});

test('silence without an answer is a lost connection, since the last message', () => {
  newest().hello();
  const last = Date.now() / 1000;
  pass(11_000);
  assert.equal(connection.status.phase, 'lost');
  assert.ok(Math.abs(Number(connection.status.lostAt) - last) < 0.01);
  assert.ok(sockets[0].isClosed);
});

test('a page that stood has heard no answer, and hears it first', () => {
  newest().hello();
  pass(6000);
  const call = connection.call('wavemeter.set_exposure', { channel: 1, milliseconds: 5 });
  const sent = newest().sent.find(({ method }) => method !== 'rpc.ping');
  mock.timers.setTime(Date.now() + 20_000); // the lid was closed; the clock is the first to be looked at
  mock.timers.tick(1000);
  assert.equal(connection.status.phase, 'live');
  newest().say({ jsonrpc: '2.0', id: sent.id, result: null });
  pass(4000);
  assert.equal(connection.status.phase, 'live');
  return call;
});

test('who stands at every look is not excused for ever: tabs behind others are looked at once a minute', () => {
  newest().hello();
  for (let minute = 0; minute < 3; minute += 1) {
    mock.timers.setTime(Date.now() + 59_000);
    mock.timers.tick(1000);
  }
  assert.equal(connection.status.phase, 'lost');
});

test('it tries again with growing pauses, and at once when asked', () => {
  newest().onclose();
  for (let i = 0; i < 6; i++) {
    pass(6000);
    newest().onclose?.();
  }
  const tried = sockets.length;
  assert.ok(tried >= 5 && tried < 16, `${tried} attempts in 36 s`);
  connection.retryNow();
  assert.equal(sockets.length, tried + 1);
});

test('an attempt that nobody answers is given up', () => {
  newest().onclose();
  pass(700);
  assert.equal(sockets.length, 2);
  pass(9000);
  assert.ok(sockets.length > 2);
  assert.ok(sockets[1].isClosed);
});

test('the server that stops says so, and is believed', () => {
  newest().hello();
  newest().say({ type: 'bye' });
  assert.equal(connection.status.phase, 'lost');
});

test('a server that comes back with another version has other pages than this one', () => {
  newest().hello();
  newest().onclose();
  pass(1000);
  newest().hello('lab.2.0');
  assert.equal(connection.status.isOutdated, false, 'the same version, started again');
  newest().onclose();
  pass(1000);
  newest().hello('lab.3.0', '0.2.0');
  assert.equal(connection.status.isOutdated, true);
  assert.equal(connection.status.version, '0.2.0');
});
