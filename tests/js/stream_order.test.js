// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entryOf } from '../../static/js/stream_list.js';
import { BY_PATH, ordered, pressed, WORDS } from '../../static/js/stream_order.js';

const ENTRIES = [
  { path: 'a', count: 5, size_bytes: 1200, bytes_per_datapoint: 2.5, latest: 7 },
  { path: 'b', count: 9, size_bytes: null, bytes_per_datapoint: null, latest: null },
  { path: 'c', count: 7, size_bytes: 2400, bytes_per_datapoint: 1.5, latest: 9 },
].map(entryOf);

/** @param {import('../../static/js/stream_order.js').Order} order */
const paths = (order) => ordered(ENTRIES, order).map(({ path }) => path).join('');

test('numbers begin with the largest, names with the first; pressed again it is the other way round', () => {
  const bySize = pressed(BY_PATH, 'size');
  assert.deepEqual([paths(BY_PATH), paths(pressed(BY_PATH, 'path'))], ['abc', 'cba']);
  assert.deepEqual([paths(bySize), paths(pressed(bySize, 'size'))], ['cab', 'acb']);
  assert.deepEqual(pressed(bySize, 'count'), { key: 'count', isDown: true });
});

test('what is not known stands last, whichever way', () => {
  for (const key of /** @type {const} */ (['size', 'each', 'latest'])) {
    assert.equal(paths({ key, isDown: true }).at(-1), 'b', key);
    assert.equal(paths({ key, isDown: false }).at(-1), 'b', key);
  }
});

test('there is an order for each word', () => {
  for (const key of Object.keys(WORDS)) assert.equal(paths({ key: /** @type {any} */ (key), isDown: true }).length, 3, key);
});
