// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Telemetry } from '../../static/js/telemetry.js';

const TEXT = `# HELP labmon_readings_total Readings since the start.
# TYPE labmon_readings_total counter
labmon_readings_total 1200
labmon_device_polls_total{device="gauge"} 7
labmon_device_polls_total{device="a \\"b\\" \\\\ c\\nd"} 8
labmon_lag_seconds_bucket{le="0.001"} 90
labmon_lag_seconds_bucket{le="0.01"} 99
labmon_lag_seconds_bucket{le="+Inf"} 100
labmon_lag_seconds_count 100
labmon_reading{stream="x/y",unit=""} NaN
`;

test('values are found by name and label', () => {
  const told = new Telemetry(TEXT, 10);
  assert.equal(told.value('labmon_readings_total'), 1200);
  assert.equal(told.value('labmon_device_polls_total', { device: 'gauge' }), 7);
  assert.equal(told.value('labmon_device_polls_total', { device: 'a "b" \\ c\nd' }), 8);
  assert.equal(told.value('labmon_device_polls_total', { device: 'other' }), null);
  assert.equal(told.value('nothing'), null);
  assert.deepEqual(told.all('nothing'), []);
  assert.ok(Number.isNaN(told.value('labmon_reading')));
});

test('a rate needs two looks, and a counter that has not begun anew', () => {
  const [before, now] = [new Telemetry(TEXT, 10), new Telemetry('labmon_readings_total 1300\n', 12)];
  assert.equal(now.rate(before, 'labmon_readings_total'), 50);
  assert.equal(now.rate(null, 'labmon_readings_total'), null);
  assert.equal(now.rate(before, 'labmon_device_polls_total'), null);
  assert.equal(before.rate(now, 'labmon_readings_total'), null);
  assert.equal(new Telemetry('labmon_readings_total 5\n', 14).rate(now, 'labmon_readings_total'), null);
});

test('a histogram tells the bound that a share of all measurements keeps', () => {
  const told = new Telemetry(TEXT, 10);
  assert.equal(told.quantileBound('labmon_lag_seconds', 0.5), 0.001);
  assert.equal(told.quantileBound('labmon_lag_seconds', 0.99), 0.01);
  assert.equal(told.quantileBound('labmon_lag_seconds', 0.999), Infinity);
  assert.equal(told.quantileBound('nothing', 0.99), null);
});

test('a hundred thousand streams hold nobody up', () => {
  const text = Array.from({ length: 100_000 }, (_, i) => `labmon_reading{stream="x/${i}"} ${i}`).join('\n');
  const began = performance.now();
  const told = new Telemetry(text, 10);
  assert.ok(performance.now() - began < 5000, 'as many steps as lines, not their square');
  assert.equal(told.value('labmon_reading', { stream: 'x/99999' }), 99_999);
});
