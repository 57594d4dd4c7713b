// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparkShape } from '../../static/js/spark.js';
import { BUCKET_S, SPAN_S, Trace } from '../../static/js/trace.js';

const T0 = 1_795_356_000; // a multiple of the bucket

/** @param {number[]} t @param {number[]} v @param {number} [bucket_s] @returns {any} */
const columns = (t, v, bucket_s = 0) => ({ path: 'a/b', unit: '', granularity: 'raw', bucket_s, t: Float64Array.from(t), v: Float64Array.from(v) });

test('readings of four seconds become one point with mean, min and max', () => {
  const trace = new Trace();
  [1, 2, 6].forEach((value, i) => trace.add(T0 + i, value));
  assert.deepEqual(trace.stretches(T0 + 3, 1), [[{ t: T0 + 2, mean: 3, min: 1, max: 6 }]]);
  assert.deepEqual(trace.last, { t: T0 + 2, value: 6 });
});

test('a missing value and a long silence both leave a gap', () => {
  const trace = new Trace();
  for (let i = 0; i < 20; i++) trace.add(T0 + i, i);
  trace.add(T0 + 20, null);
  for (let i = 24; i < 40; i++) trace.add(T0 + i, i);
  for (let i = 80; i < 100; i++) trace.add(T0 + i, i);
  assert.equal(trace.stretches(T0 + 100, 1).length, 3);
});

test('a slow channel is joined over three of its periods', () => {
  const trace = new Trace();
  for (let i = 0; i < 10; i++) trace.add(T0 + 30 * i, i);
  assert.equal(trace.stretches(T0 + 300, 30).length, 1);
});

test('it forgets what is older than ten minutes, and stays small', () => {
  const trace = new Trace();
  for (let i = 0; i < 2 * SPAN_S; i++) trace.add(T0 + i, i);
  const [points] = trace.stretches(T0 + 2 * SPAN_S, 1);
  assert.ok(points.length <= SPAN_S / BUCKET_S + 1);
  assert.ok(points[0].t >= T0 + SPAN_S - BUCKET_S);
});

test('history goes before what came live, and neither is doubled', () => {
  const trace = new Trace();
  trace.add(T0 + 100, 7);
  trace.seed(columns([T0, T0 + 4, T0 + 8, T0 + 100], [1, 2, 3, 7]));
  const points = trace.stretches(T0 + 101, 40).flat();
  assert.deepEqual(points.map((point) => point.mean), [1, 2, 3, 7]);
  assert.equal(trace.last?.t, T0 + 100);
});

test('history of coarse buckets has no holes between them, a null row is one', () => {
  const trace = new Trace();
  trace.seed({ ...columns([0, 10, 20, 30, 40].map((t) => T0 + t), [1, 2, NaN, 4, 5], 10) });
  assert.deepEqual(trace.stretches(T0 + 50, 1).map((stretch) => stretch.length), [2, 2]);
});

test('what never became durable is taken back', () => {
  const trace = new Trace();
  for (let i = 0; i < 12; i++) trace.add(T0 + i, i);
  trace.dropAfter(T0 + 3);
  assert.equal(trace.stretches(T0 + 12, 1).flat().length, 1);
  assert.equal(trace.last, null);
});

test('a late reading is sorted in', () => {
  const trace = new Trace();
  [0, 8, 4].forEach((dt) => trace.add(T0 + dt, dt));
  assert.deepEqual(trace.stretches(T0 + 9, 1).flat().map((point) => point.mean), [0, 4, 8]);
  assert.equal(trace.last?.value, 8);
});

test('the line of a sparkline reaches from its lowest to its highest reading', () => {
  const points = [{ t: T0 - SPAN_S, mean: 1, min: 1, max: 1 }, { t: T0, mean: 3, min: 3, max: 3 }];
  const shape = sparkShape([points], T0, false);
  assert.equal(shape.line, 'M0.0 24.0L200.0 2.0');
  assert.deepEqual([shape.low, shape.high], [1, 3]);
  assert.equal(shape.trail, '');
  assert.ok(sparkShape([points], T0 + 60, true).trail.endsWith('H200'));
  assert.equal(sparkShape([], T0, false).end, null);
});

test('over decades equal factors are equal heights', () => {
  const points = [1e-9, 1e-8, 1e-7].map((mean, i) => ({ t: T0 - SPAN_S + (i * SPAN_S) / 2, mean, min: mean, max: mean }));
  assert.equal(sparkShape([points], T0, false, true).line, 'M0.0 24.0L100.0 13.0L200.0 2.0');
});

test('an array is its mean with minimum and maximum, and ends at its newest sample', () => {
  const trace = new Trace();
  trace.add(T0 + 1, 7, [-2, 9, 1000, 3]);
  trace.add(T0 + 2, 4, [null, null, 10, null]);
  assert.deepEqual(trace.stretches(T0 + 3, 1), [[{ t: T0 + 2, mean: 3.5, min: -2, max: 9 }]]);
  assert.deepEqual(trace.last, { t: T0 + 2, value: 4 });
});
