// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { footText, tileFace } from '../../static/js/tile_face.js';

const NOW = 1_795_356_247;
/** @type {any} */
const channel = { name: 'a', path: 'd/a', label: 'A', unit: 'V', digits: 2, scientific: false, accuracy: null, limits: [null, 10], kind: 'numeric' };
/** @type {any} */
const device = { name: 'd', state: 'online', simulated: false, period_s: 1, since: NOW - 720 };
const RANGE = { low: 1, high: 1.5 };

/** @param {any} reading @param {any} [changes] @param {number | null} [lostAt] */
const face = (reading, changes = {}, lostAt = null) => tileFace({
  channel, device: { ...device, ...changes }, reading, last: { t: NOW - 90, value: 1.25 },
}, NOW, lostAt);

test('a fresh value shows its age and its scale', () => {
  const shown = face({ t: NOW - 0.4, value: 1.5, quality: 0 });
  assert.deepEqual([shown.state, shown.badge, shown.age, shown.value], ['ok', '', '0.4 s', 1.5]);
  assert.equal(footText(shown, channel, RANGE), '500 mV p-p');
});

test('a stale value says how old it is and when it came', () => {
  const shown = face({ t: NOW - 48, value: 1.5, quality: 0 });
  assert.equal(shown.badge, 'Stale, 48 s');
  assert.match(shown.note, /^last \d\d:\d\d:\d\d$/);
  assert.ok(shown.isSilent);
});

test('without signal there is no value, also not an old one', () => {
  const shown = face({ t: NOW, value: null, quality: 1 });
  assert.deepEqual([shown.state, shown.value, shown.badge], ['no_signal', null, 'No signal']);
  assert.match(shown.note, /^since \d\d:\d\d$/);
});

test('an end of the range that is not zero is not told as zero', () => {
  const reading = { t: NOW, value: 0, quality: 3 };
  const low = tileFace({ channel: { ...channel, limits: [5e-10, 10] }, device, reading, last: null }, NOW);
  assert.match(low.note, /^range 5\.00 × 10⁻¹⁰ V$/);
});

test('beyond the range the end of the range is shown', () => {
  const shown = face({ t: NOW, value: 10.2, quality: 2 });
  assert.deepEqual([shown.prefix, shown.value, shown.note], ['>', 10, 'range 10 V']);
});

test('offline, the tile keeps no value, only what was last', () => {
  const shown = face({ t: NOW - 720, value: null, quality: 0 }, { state: 'offline' });
  assert.deepEqual([shown.state, shown.value, shown.badge], ['offline', null, '']);
  assert.match(shown.note, /^last 1\.25\u202fV at /);
});

test('simulated is said whatever else is wrong', () => {
  assert.equal(face({ t: NOW, value: 1, quality: 0x10 }).state, 'simulated');
  const shown = face({ t: NOW, value: null, quality: 0x11 });
  assert.deepEqual([shown.state, shown.isSimulated], ['no_signal', true]);
  assert.ok(face({ t: NOW, value: 1, quality: 0 }, { simulated: true }).isSimulated);
});

test('when the connection is lost the state stays as it was last known, and the age grows', () => {
  const shown = face({ t: NOW - 16, value: 1.5, quality: 0 }, {}, NOW - 16);
  assert.deepEqual([shown.state, shown.age, shown.value], ['ok', '16 s', 1.5]);
  assert.match(face({ t: NOW - 16, value: null, quality: 5 }, {}, NOW - 16).badge, /^Fault at \d\d:\d\d:\d\d$/);
});
