// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowFor } from '../../static/js/graph/flags.js';

test('flags that would lie over each other stand in rows, and rows are used again', () => {
  /** @type {number[]} */
  const free = [];
  assert.deepEqual([[0, 100], [50, 100], [90, 20], [120, 50], [130, 10]].map(([from, width]) => rowFor(free, from, width)), [0, 1, 2, 0, 2]);
});
