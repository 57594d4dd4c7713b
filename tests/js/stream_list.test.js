// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byDevice, entryOf, isInternal, isNumeric, search } from '../../static/js/stream_list.js';

const ENTRIES = [
  { id: '1', path: 'wavemeter/ch1', device: 'wavemeter', label: 'Rb cooling', unit: 'THz', value_type: 'numeric', earliest: 1795356247000000000, latest: 1795356248.5, tags: { node: 'lab', path: 'wavemeter/ch1', laser: 'ecdl' } },
  { id: '2', path: 'room/temperature', label: '', channel: 'temperature', unit: '°C', value_type: 'numeric', earliest: null, latest: null, description: 'lab air' },
  { id: '3', path: 'wavemeter/_state', value_type: 'nominal' },
].map(entryOf);

test('entries have times in seconds and only the tags that say more', () => {
  assert.deepEqual([ENTRIES[0].earliest, ENTRIES[0].latest], [1795356247, 1795356248.5]);
  assert.deepEqual(ENTRIES[0].tags, { laser: 'ecdl' });
  assert.deepEqual([ENTRIES[1].label, ENTRIES[1].device], ['temperature', 'room']);
  assert.deepEqual(ENTRIES.map((entry) => entry.isNumeric), [true, true, false]);
  assert.deepEqual(ENTRIES.map(isInternal), [false, false, true]);
  assert.ok(isNumeric(undefined) && !isNumeric('nominal'));
});

test('all words of a search must occur, wherever', () => {
  assert.deepEqual(search(ENTRIES, 'rb THZ').map(({ path }) => path), ['wavemeter/ch1']);
  assert.deepEqual(search(ENTRIES, 'laser=ecdl').map(({ path }) => path), ['wavemeter/ch1']);
  assert.deepEqual(search(ENTRIES, 'lab air').map(({ path }) => path), ['room/temperature']);
  assert.deepEqual(search(ENTRIES, 'rb lab').length, 0);
  assert.equal(search(ENTRIES, '  '), ENTRIES);
});

test('entries stand under their device', () => {
  assert.deepEqual(byDevice(ENTRIES).map(([device, group]) => [device, group.length]), [['wavemeter', 2], ['room', 1]]);
});

test('what is searched of an entry is put together once: there may be ten thousand, and a letter more every moment', () => {
  let asked = 0;
  const entry = { ...ENTRIES[0], get tags() { asked += 1; return { laser: 'ecdl' }; } };
  for (const text of ['e', 'ec', 'ecd', 'ecdl', 'ecdls']) search([entry], text);
  assert.equal(asked, 1);
});
