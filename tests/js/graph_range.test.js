// @ts-check
process.env.TZ = 'Europe/Berlin';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameRange, isoText, pan, parseRange, parseTime, PRESETS, resolve, spanText, zoom } from '../../static/js/graph/range.js';
import { formatView, graphAddress, parseView } from '../../static/js/graph/view.js';

const NOW = Date.UTC(2026, 10, 22, 14, 4, 7) / 1000; // 15:04:07 in Berlin

test('relative times count from now', () => {
  assert.equal(parseTime('now', NOW), NOW);
  assert.equal(parseTime('-6h', NOW), NOW - 6 * 3600);
  assert.equal(parseTime(' now - 30 d ', NOW), NOW - 30 * 86400);
  assert.equal(parseTime('-1,5h', NOW), NOW - 5400);
  assert.equal(parseTime('-2 fortnights', NOW), null);
});

test('a time of day is the newest one that is not ahead, in the viewers zone', () => {
  assert.equal(parseTime('14:04:07', NOW), NOW - 3600);
  assert.equal(parseTime('15:05', NOW), Date.UTC(2026, 10, 21, 14, 5) / 1000);
  assert.equal(parseTime('14:04:07.5', NOW), NOW - 3600 + 0.5);
  assert.equal(parseTime('25:00', NOW), null);
  assert.equal(parseTime('12:60', NOW), null);
});

test('dates are read in the viewers zone, ISO times with a zone in theirs', () => {
  assert.equal(parseTime('2026-11-22 15:04:07', NOW), NOW);
  assert.equal(parseTime('22.11.2026 15:04:07', NOW), NOW);
  assert.equal(parseTime('2026-11-22T14:04:07Z', NOW), NOW);
  assert.equal(parseTime('2026-11-22T16:04:07+02:00', NOW), NOW);
  assert.equal(parseTime('2026-11-22', NOW), Date.UTC(2026, 10, 21, 23) / 1000);
  assert.equal(parseTime('2026-11-22T14:04:07', NOW, { utc: true }), NOW);
  assert.equal(parseTime('2026-02-30', NOW), null);
  assert.equal(parseTime(String(NOW), NOW), NOW);
  assert.equal(parseTime('yesterdayish', NOW), null);
});

test('a range that ends now is live: from a time it grows, from a distance it slides', () => {
  assert.deepEqual(parseRange('-1h', 'now', NOW), { range: { live: true, span_s: 3600 } });
  assert.deepEqual(parseRange('14:04:07', 'now', NOW), { range: { live: true, since_s: NOW - 3600 } });
  assert.deepEqual(parseRange('-2h', '-1h', NOW), { range: { live: false, start_s: NOW - 7200, end_s: NOW - 3600 } });
});

test('a wrong end is named, with what is allowed', () => {
  assert.deepEqual(parseRange('soon', 'now', NOW), { field: 'from', message: 'use 14:04, 14:04:07, 2026-11-22 14:04, -6h or now' });
  assert.deepEqual(parseRange('-1h', '-2h', NOW), { field: 'to', message: 'must be after the start' });
  assert.deepEqual(parseRange('2027-01-01', 'now', NOW), { field: 'from', message: 'must be before now' });
});

test('an end that is only a time of day belongs to the day of the start or the next', () => {
  const start = Date.UTC(2026, 10, 20, 21) / 1000; // 22:00 in Berlin
  assert.deepEqual(parseRange('2026-11-20 22:00', '06:00', NOW), { range: { live: false, start_s: start, end_s: Date.UTC(2026, 10, 22, 5) / 1000 } });
});

test('spans and times are written as the server reads them', () => {
  assert.deepEqual(PRESETS.map(({ span_s }) => spanText(span_s)), ['5min', '15min', '1h', '6h', '1d', '1w', '30d', '1y']);
  assert.equal(spanText(5400), '90min');
  assert.equal(spanText(0.25), '0.25s');
  assert.equal(isoText(NOW), '2026-11-22T14:04:07Z');
  assert.equal(isoText(NOW + 0.25), '2026-11-22T14:04:07.250Z');
});

test('panning leaves live, zooming live stays at the live end', () => {
  assert.deepEqual(pan({ live: true, span_s: 100 }, -0.1, NOW), { live: false, start_s: NOW - 110, end_s: NOW - 10 });
  assert.deepEqual(zoom({ live: true, span_s: 100 }, 2, NOW - 50, NOW), { live: true, span_s: 200 });
  assert.deepEqual(zoom({ live: false, start_s: 0, end_s: 100 }, 0.5, 25, NOW), { live: false, start_s: 12.5, end_s: 62.5 });
  assert.deepEqual(resolve({ live: true, span_s: 100 }, NOW), [NOW - 100, NOW]);
  assert.deepEqual(resolve({ live: true, since_s: NOW - 100 }, NOW + 5), [NOW - 100, NOW + 5]);
  assert.deepEqual(zoom({ live: true, since_s: NOW - 100 }, 0.5, NOW - 50, NOW), { live: true, span_s: 50 });
});

test('a view survives its address', () => {
  /** @type {import('../../static/js/graph/view.js').View[]} */
  const views = [
    { streams: ['wavemeter/ch1', 'room/lab air'], range: { live: true, span_s: 3600 }, band: true, log: null, hidden: [] },
    { streams: ['a/b'], range: { live: false, start_s: NOW - 7200, end_s: NOW - 3600.5 }, band: false, log: true, hidden: ['a/b'] },
    { streams: [], range: { live: true, span_s: 300 }, band: true, log: false, hidden: [] },
    { streams: ['a/b'], range: { live: true, since_s: NOW - 7200 }, band: true, log: null, hidden: [] },
  ];
  for (const view of views) assert.deepEqual(parseView(formatView(view), NOW), view);
  assert.equal(formatView(views[0]), '?streams=wavemeter/ch1&streams=room/lab%20air&start=-1h&end=now');
  assert.equal(graphAddress(['a/b']), '/graph?streams=a/b&start=-1h&end=now');
});

test('an address takes comma lists, drops doubles and forgives nonsense', () => {
  const view = parseView('?streams=a/b,c/d&streams=a/b&start=yesterdayish&log=maybe', NOW);
  assert.deepEqual(view.streams, ['a/b', 'c/d']);
  assert.deepEqual(view.range, { live: true, span_s: 3600 });
  assert.equal(view.log, null);
  assert.ok(isSameRange(view.range, { live: true, span_s: 3600 }));
  assert.ok(!isSameRange(view.range, { live: true, since_s: 3600 }));
  assert.ok(!isSameRange({ live: true, since_s: 3600 }, { live: true, since_s: 7200 }));
});
