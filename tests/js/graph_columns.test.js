// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Columns, columnsOf } from '../../static/js/graph/columns.js';
import { qualityWord, stateWord } from '../../static/js/graph/gap_reasons.js';
import { gapsOf, rowsOf, sharedGaps, silenceOf } from '../../static/js/graph/gaps.js';
import { slopeUnit, statistics } from '../../static/js/graph/statistics.js';
import { appendReading, dropAfter, newestOf, pieceOf } from '../../static/js/graph/tail.js';

const column = (/** @type {Array<number | null>} */ values) => Float64Array.from(values, (value) => value ?? NaN);

/** @param {number[]} t @param {Array<number | null>} v @param {number[]} [quality] */
const raw = (t, v, quality = t.map(() => 0)) => columnsOf({
  path: 'a/b', unit: 'V', granularity: 'raw', bucket_s: 0, t: column(t), v: column(v), quality: column(quality),
});

/** @param {number} bucket_s @param {number[]} t @param {Array<number | null>} mean @param {Record<string, number[]>} [more] */
const buckets = (bucket_s, t, mean, more = {}) => columnsOf({
  path: 'a/b', unit: 'V', granularity: 'seconds', bucket_s, t: column(t), mean: column(mean), min: column(mean), max: column(mean),
  ...Object.fromEntries(Object.entries(more).map(([name, values]) => [name, column(values)])),
});

const list = (/** @type {Float64Array} */ column, /** @type {Columns} */ { length }) => [...column.subarray(0, length)];

test('null is a gap, and rows are found by where they are drawn', () => {
  const columns = buckets(10, [0, 10, 20, 30], [1, null, 3, 4]);
  assert.ok(Number.isNaN(columns.mean[1]));
  assert.equal(columns.x(0), 5);
  assert.equal(columns.firstFrom(5), 0);
  assert.equal(columns.firstFrom(5.1), 1);
  assert.equal(columns.firstFrom(99), 4);
  assert.equal(columns.nearest(19), 1);
  assert.equal(columns.nearest(-50), 0);
  assert.equal(columns.nearest(1e9), 3);
  assert.equal(raw([], []).nearest(0), -1);
  assert.deepEqual([columns.hasRows(12, 14), columns.hasRows(36, 99), columns.hasRows(-9, 4), raw([], []).hasRows(0, 9)], [true, false, false, false]);
});

test('the cursor reads no value in a gap, nor before a stream began, nor after it ended', () => {
  const columns = raw([100, 101, 102, 900, 901], [1, 2, null, 4, 5]);
  assert.deepEqual([99.5, 100.4, 101.2].map((t) => columns.at(t, 1)), [0, 0, 1]);
  assert.deepEqual([0, 600, 890, 5000].map((t) => columns.at(t, 1)), [-1, -1, -1, -1]);
  assert.equal(columns.at(899.5, 1), 3);
  assert.equal(raw([0, 100], [1, 2]).at(30, 1), 0, 'a line that is drawn has a value');
  assert.equal(buckets(10, [0, 10], [1, 2]).at(19, 1), 1, 'so has all of a bucket');
  assert.equal(raw([], []).at(0, 1), -1);
});

test('raw readings go to the end, old ones are left out', () => {
  const columns = raw([1, 2], [10, 20]);
  assert.equal(appendReading(columns, 2, pieceOf(99), 0), false);
  assert.equal(appendReading(columns, 3, pieceOf(30), 16), true);
  assert.equal(appendReading(columns, 4, pieceOf(null), 1), true);
  assert.deepEqual(list(columns.mean, columns), [10, 20, 30, NaN]);
  assert.deepEqual([columns.quality?.[2], columns.quality?.[3], columns.newest_s], [16, 1, 4]);
});

test('columns grow as long as readings come', () => {
  const columns = raw([], []);
  for (let i = 0; i < 1000; i += 1) appendReading(columns, i, pieceOf(i), 0);
  assert.equal(columns.length, 1000);
  assert.equal(columns.mean[999], 999);
  assert.equal(columns.min, columns.mean);
});

test('a live range keeps no more than it needs, however long it is left alone', () => {
  for (const columns of [raw([0], [0]), buckets(1, [0], [0])]) {
    for (let i = 1; i < 100_000; i += 1) {
      columns.forgetBefore(i - 600);
      appendReading(columns, i, pieceOf(i), 0, 1);
    }
    assert.ok(columns.t.length < 2000, `${columns.t.length} rows`);
    assert.ok(columns.t[0] <= 99_999 - 600);
    for (let row = 0; row < columns.length; row += 1) assert.deepEqual([columns.mean[row], columns.max[row]], [columns.t[row], columns.t[row]]);
    assert.equal(columns.t[columns.length - 1], 99_999);
  }
});

test('a silence of more than three periods opens a gap', () => {
  const columns = raw([1, 2], [10, 20]);
  appendReading(columns, 5, pieceOf(50), 0, 1);
  assert.deepEqual(list(columns.mean, columns), [10, 20, 50]);
  appendReading(columns, 8.5, pieceOf(80), 0, 1);
  assert.deepEqual(list(columns.mean, columns), [10, 20, 50, NaN, 80]);
  assert.deepEqual(list(columns.t, columns), [1, 2, 5, 6, 8.5]);
});

test('readings fill the last bucket and begin the next', () => {
  const columns = buckets(6, [0, 6], [1, 4], { min: [0, 3], max: [2, 5], count: [6, 2], std_dev: [0.5, 1] });
  appendReading(columns, 9, pieceOf(7), 0);
  assert.deepEqual(list(columns.mean, columns), [1, 5]);
  assert.deepEqual([columns.min[1], columns.max[1], columns.count?.[1]], [3, 7, 3]);
  assert.ok(Math.abs((columns.std?.[1] ?? 0) - Math.sqrt((9 + 25 + 49) / 3 - 25)) < 1e-12);
  appendReading(columns, 12.5, pieceOf(8), 0);
  assert.deepEqual(list(columns.t, columns), [0, 6, 12]);
  assert.deepEqual([columns.mean[2], columns.count?.[2]], [8, 1]);
  assert.equal(columns.x(2), 12.5, 'not ahead of the newest reading');
  appendReading(columns, 13, pieceOf(null), 1);
  assert.equal(columns.mean[2], 8);
});

test('what was never durable is taken back', () => {
  const columns = raw([1, 2, 3], [10, 20, 30]);
  dropAfter(columns, 2);
  assert.deepEqual([columns.length, columns.newest_s], [2, 2]);
  assert.equal(appendReading(columns, 2.5, pieceOf(25), 0), true);
});

test('statistics of raw readings are those of the book', () => {
  const columns = raw([0, 1, 2, 3, 4], [1, 3, null, 7, 9]);
  const found = statistics(columns, 0, 4);
  assert.deepEqual(found && [found.readings, found.mean, found.min, found.max, found.slope_per_s], [4, 5, 1, 9, 2]);
  assert.ok(Math.abs((found?.std ?? 0) - Math.sqrt(40 / 3)) < 1e-12);
  assert.equal(statistics(columns, 10, 20), null);
  assert.equal(statistics(columns, 1, 3)?.readings, 2);
});

test('statistics of buckets equal those of their readings', () => {
  const values = Array.from({ length: 60 }, (_, i) => 384.230484 + 1e-9 * Math.sin(i) * i);
  const t = values.map((_, i) => i + 0.5);
  const means = [], stds = [], lows = [], highs = [];
  for (let b = 0; b < 6; b += 1) {
    const part = values.slice(b * 10, b * 10 + 10);
    const mean = part.reduce((sum, v) => sum + (v - 384), 0) / 10;
    means.push(mean + 384);
    stds.push(Math.sqrt(part.reduce((sum, v) => sum + (v - 384 - mean) ** 2, 0) / 10));
    lows.push(Math.min(...part));
    highs.push(Math.max(...part));
  }
  const pooled = statistics(buckets(10, [0, 10, 20, 30, 40, 50], means, { min: lows, max: highs, count: [10, 10, 10, 10, 10, 10], std_dev: stds }), 0, 60);
  const exact = statistics(raw(t, values), 0, 60);
  assert.ok(pooled && exact);
  assert.equal(pooled.readings, 60);
  assert.ok(Math.abs(pooled.std / exact.std - 1) < 1e-4);
  assert.deepEqual([pooled.min, pooled.max], [exact.min, exact.max]);
});

test('a slope is told in a time that fits the range', () => {
  assert.deepEqual([10, 300, 3600, 7 * 86400].map((span) => slopeUnit(span).word), ['s', 'min', 'h', 'day']);
});

test('gaps reach from the last value to the next and say why', () => {
  const columns = raw([0, 1, 2, 3, 4, 5], [1, null, null, 4, 5, null], [0, 1, 1, 0, 0, 0]);
  assert.deepEqual(gapsOf(columns, 0, 9), [{ from_s: 0, to_s: 3, why: 'no signal' }, { from_s: 4, to_s: 9, why: 'no data' }]);
  assert.deepEqual(gapsOf(columns, 1.5, 2), [{ from_s: 0, to_s: 3, why: 'no signal' }]);
  assert.deepEqual(gapsOf(columns, 3, 3.5), []);
});

test('a stream that falls silent has a gap from its last value until now', () => {
  const columns = raw([0, 1, 2], [1, 2, 3]);
  assert.deepEqual(silenceOf(columns, 1, 4), []);
  assert.deepEqual(silenceOf(columns, 1, 9), [{ from_s: 2, to_s: 9, why: 'no data' }]);
  assert.deepEqual(silenceOf(columns, Infinity, 9), []);
  assert.deepEqual(silenceOf(raw([0, 1], [1, null]), 1, 9), []);
});

test('before the first value there is no gap', () => {
  assert.deepEqual(gapsOf(raw([0, 1, 2], [null, 2, 3]), 0, 3), []);
  assert.deepEqual(gapsOf(raw([0, 1], [null, null]), 0, 3), []);
});

test('the same gap of several streams is told once, others get rows of their own', () => {
  const gap = { from_s: 10, to_s: 20, why: 'no data' };
  const shared = sharedGaps([{ owner: 'a', gaps: [gap] }, { owner: 'b', gaps: [{ ...gap, to_s: 20.1 }, { from_s: 12, to_s: 30, why: 'no signal' }] }], 0.5);
  assert.deepEqual(shared.map(({ owners }) => owners), [['a', 'b'], ['b']]);
  assert.deepEqual(rowsOf([...shared, { from_s: 25, to_s: 26 }], 1), [0, 1, 0]);
});

test('a gap without a cause asks the qualities of the readings, then the state of the device', () => {
  /** @type {any} */
  const readings = { v: [1, null, null], quality: [0x10, 0x10, 0x11] };
  assert.equal(qualityWord(readings), 'no signal');
  assert.equal(qualityWord({ ...readings, quality: [0x10, 0x10, 0x10] }), null);
  assert.equal(stateWord(/** @type {any} */ ({ v: ['online', 'offline', 'connecting'] })), 'offline');
  assert.equal(stateWord(undefined), null);
});

test('the band of an array widens the bucket, its mean weighs as many readings as it has', () => {
  const columns = buckets(1, [10], [4], { min: [3], max: [5], count: [100], std_dev: [0.5] });
  appendReading(columns, 10.9, pieceOf(9, [-1, 12, 300, 8]), 0);
  assert.deepEqual([columns.mean[0], columns.min[0], columns.max[0], columns.count?.[0]], [7, -1, 12, 400]);
  appendReading(columns, 11.1, pieceOf(6, [1, 7, 50, 5]), 0);
  assert.deepEqual([columns.mean[1], columns.min[1], columns.max[1], columns.count?.[1]], [5, 1, 7, 50]);
  assert.equal(statistics(columns, 10, 12)?.readings, 450);
});

test('raw readings have a band as soon as one stands for many', () => {
  const columns = raw([1, 2], [10, 20]);
  assert.equal(columns.hasBand, false);
  appendReading(columns, 3, pieceOf(30, [5, 60, 1000, 25]), 0);
  assert.equal(columns.hasBand, true);
  assert.deepEqual([list(columns.mean, columns), list(columns.min, columns), list(columns.max, columns)], [[10, 20, 25], [10, 20, 5], [10, 20, 60]]);
  assert.equal(statistics(columns, 0, 9)?.readings, 1002);
  for (let i = 4; i < 999; i += 1) appendReading(columns, i, pieceOf(1), 0);
  assert.deepEqual([columns.max[2], columns.max[998 - 1]], [60, 1]);
});

test('an array is drawn as wide as it is: from behind the one before', () => {
  const columns = raw([1, 2], [10, 20]);
  appendReading(columns, 3, pieceOf(30, [5, 60, 1000, 25]), 0, 1);
  assert.deepEqual([list(columns.t, columns), list(columns.min, columns)], [[1, 2, 2.001, 3], [10, 20, 5, 5]]);
  assert.equal(statistics(columns, 0, 9)?.readings, 1002);
  appendReading(columns, 9, pieceOf(30, [5, 60, 1000, 25]), 0, 1); // nobody knows when after a silence it began
  assert.deepEqual(list(columns.t, columns).slice(4), [4, 9]);
  const fine = buckets(0.25, [10, 10.25], [1, 2]);
  appendReading(fine, 10.3, pieceOf(3), 0, 1);
  appendReading(fine, 11.3, pieceOf(4, [0, 9, 100, 5]), 0, 1);
  assert.deepEqual([list(fine.t, fine), list(fine.max, fine)], [[10, 10.25, 11.25], [1, 9, 9]]);
});

test('an array without a good number is told by its newest sample', () => {
  const columns = raw([1], [10]);
  appendReading(columns, 2, pieceOf(99, [null, null, 10, null]), 2);
  assert.deepEqual(list(columns.mean, columns), [10, 99]);
});

test('a stream that does not come live is as new as its columns', () => {
  const known = { t: 10, value: 7 };
  assert.deepEqual(newestOf(raw([9, 10], [6, 7]), known), known);
  assert.deepEqual(newestOf(raw([9, 10, 12], [6, 7, 8]), known), { t: 12, value: 8 });
  assert.deepEqual(newestOf(raw([10, 12], [7, NaN]), known), null, 'a gap began meanwhile');
  assert.deepEqual(newestOf(raw([], []), known), known);
  assert.deepEqual(newestOf(buckets(5, [0, 5, 10], [1, 2, 3]), known), known, 'it is in the last bucket');
  assert.equal(newestOf(buckets(5, [5, 10, 15], [1, 2, 3]), known), null, 'a bucket says no newest value');
  assert.deepEqual(newestOf(raw([9], [6]), null), { t: 9, value: 6 });
});
