// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnsOf } from '../../static/js/graph/columns.js';
import { csvOf } from '../../static/js/graph/csv.js';
import { Palette } from '../../static/js/graph/palette.js';

test('CSV has a line for each time and the fields of each stream', () => {
  const raw = columnsOf({ path: 'a/b', unit: 'V', granularity: 'raw', bucket_s: 0, t: new Float64Array([10, 11.5]), v: new Float64Array([1, NaN]) });
  const rollup = columnsOf({ path: 'c,d', unit: '', granularity: 'seconds10', bucket_s: 10, t: new Float64Array([0, 10]), mean: new Float64Array([5, 6]), min: new Float64Array([4, 5]), max: new Float64Array([6, 7]) });
  assert.equal(csvOf([{ columns: raw, unit: 'V' }, { columns: rollup, unit: '' }], 0, 100), [
    'time,unix_s,a/b [V],"c,d mean","c,d min","c,d max"',
    '1970-01-01T00:00:00.000Z,0,,5,4,6',
    '1970-01-01T00:00:10.000Z,10,1,6,5,7',
    '1970-01-01T00:00:11.500Z,11.5,,,,',
    '',
  ].join('\r\n'));
});

test('CSV of nothing is its header', () => {
  assert.equal(csvOf([], 0, 1), 'time,unix_s\r\n');
});

test('a stream keeps its colour while it is on the page', () => {
  const palette = new Palette();
  palette.assign(['a', 'b', 'c']);
  palette.assign(['a', 'c', 'd']);
  assert.deepEqual(['a', 'c', 'd'].map((path) => palette.pen(path).colour), ['s1', 's3', 's2']);
  palette.assign(['a', 'c', 'd', 'e', 'f', 'g', 'h']);
  assert.deepEqual(palette.pen('h'), { slot: 6, colour: 's1', dash: [9, 4, 2, 4] });
  assert.deepEqual(palette.pen('c').dash, [7, 5]);
});
