// @ts-check
process.env.TZ = 'Europe/Berlin';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axesFor } from '../../static/js/graph/axis.js';
import { toldApart } from '../../static/js/graph/descriptors.js';
import { columnsOf } from '../../static/js/graph/columns.js';
import { extentOf, groupsOf } from '../../static/js/graph/extents.js';
import { horizontal, verticalOf } from '../../static/js/graph/paths.js';
import { printerOf } from '../../static/js/graph/printer.js';
import { bucketText, cursorText, fieldText, fineClock, finenessText, rangeText, titleOf } from '../../static/js/graph/words.js';

const NOW = Date.UTC(2026, 10, 22, 14, 4, 7) / 1000;

/** @param {string} path @param {string} unit @param {number[]} v @param {object} [more] */
const drawn = (path, unit, v, more = {}) => ({
  path, label: path, unit, digits: 2, scientific: false, period_s: 1, stale_s: 3, pen: { slot: 0, colour: 's1', dash: [] },
  columns: columnsOf({ path, unit, granularity: 'raw', bucket_s: 0, t: Float64Array.from(v, (_, i) => i), v: Float64Array.from(v) }), ...more,
});
const VIEW = { start_s: 0, end_s: 10, band: true, log: null };

test('a graph is called after its streams', () => {
  assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd']].map(titleOf), ['Graph', 'a', 'a and b', 'a, b and c', 'a, b and 2 more']);
});

test('a range names each date once', () => {
  assert.match(rangeText(NOW - 3600, NOW), /^Sunday 22 November 2026, 14:04:07 to 15:04:07 /);
  assert.match(rangeText(NOW - 86400, NOW), /^Saturday 21 November 2026, 15:04:07 to Sunday 22 November 2026, 15:04:07 /);
  assert.equal(fineClock(NOW + 0.25), '15:04:07.250');
});

test('the zone is that of the range, not that of today', () => {
  const summer = Date.UTC(2026, 6, 1, 12) / 1000;
  assert.match(rangeText(summer, summer + 60), / 14:00:00 to 14:01:00 (CEST|GMT\+2)$/);
  const change = Date.UTC(2026, 9, 25, 1) / 1000; // the hour from 02:00 to 03:00 comes twice
  assert.match(rangeText(change - 1800, change + 1800), /^Sunday 25 October 2026, 02:30:00 (CEST|GMT\+2) to 02:30:00 (CET|GMT\+1)$/);
});

test('points and times are as fine as the range', () => {
  assert.deepEqual([0.25, 6, 90, 600, 43200, 86400].map(bucketText), ['250 ms', '6 s', '1.5 min', '10 min', '12 h', '1 d']);
  assert.equal(finenessText([{ bucket_s: 0 }, { bucket_s: 6 }]), 'one point per 6 s');
  assert.equal(finenessText([{ bucket_s: 0 }]), 'every reading');
  assert.equal(cursorText(NOW, 3600), '15:04:07');
  assert.equal(cursorText(NOW, 7 * 86400), '22 Nov 15:04:07');
  assert.equal(cursorText(NOW, 365 * 86400), '22 Nov 15:04');
  assert.equal(fieldText(NOW - 3600, NOW, 3600), '14:04:07');
  assert.equal(fieldText(NOW - 86400, NOW, 3600), '2026-11-21 15:04:07');
  assert.equal(fieldText(NOW - 7 * 86400, NOW, 7 * 86400), '2026-11-15 15:04');
});

test('two streams that are called the same are called after their devices, too', () => {
  const [a, b, c] = toldApart([{ name: 'Supply', owner: 'Chiller 1' }, { name: 'Supply', owner: 'Chiller 2' }, { name: 'Flow', owner: 'Chiller 1' }]);
  assert.deepEqual([a.label, b.label, c.label], ['Chiller 1: Supply', 'Chiller 2: Supply', 'Flow']);
});

test('over decades small values keep their digits', () => {
  const [log] = axesFor([{ unit: 'A', low: 1e-7, high: 100, log: true }], 378);
  const printer = printerOf({ unit: 'A', digits: 2, scientific: false }, log);
  assert.deepEqual([42.123, 0.0371, 4.16e-7].map(printer.value), ['42.12', '0.03710', '4.160 × 10⁻⁷']);
  assert.equal(printerOf({ unit: '', digits: 12, scientific: false }, log).value(0.5), '0.5000');
  assert.equal(printer.value(NaN), '–');
});

test('values are written as the axis shows them, without an axis as the channel says', () => {
  const [offset] = axesFor([{ unit: 'THz', low: 384.230482, high: 384.230495, log: false }], 378);
  const printer = printerOf({ unit: 'THz', digits: 9, scientific: false }, offset);
  assert.deepEqual([printer.unit, printer.value(384.230484), printer.difference(13.02e-6), printer.rate(-1.36e-6, 1), printer.rate(0.5e-6, 365)], ['MHz', '4.00', '13.02', '−1.36', '+0.5000']);
  assert.equal(printer.value(NaN), '–');
  const channel = printerOf({ unit: 'THz', digits: 3, scientific: false }, undefined);
  assert.deepEqual([channel.unit, channel.value(384.2304)], ['THz', '384.230']);
  const [pressure] = axesFor([{ unit: 'mbar', low: 2e-9, high: 3e-9, log: false }], 378);
  assert.equal(printerOf({ unit: 'mbar', digits: 2, scientific: true }, pressure).value(2.31e-9), '2.31 × 10⁻⁹');
});

test('beside a graph, too, what is not zero is not written as zero', () => {
  const mbar = { unit: 'mbar', digits: 2, scientific: false };
  const [pressure] = axesFor([{ unit: 'mbar', low: 1e-11, high: 3e-9, log: false }], 378);
  const small = printerOf(mbar, pressure);
  assert.deepEqual([small.unit, small.value(2.314e-9), small.value(1e-15), small.value(0)], ['10⁻⁹ mbar', '2.314', '1.0 × 10⁻⁶', '0.000']);
  const [wide] = axesFor([{ unit: 'mbar', low: 0, high: 1000, log: false }], 378);
  const large = printerOf(mbar, wide);
  assert.deepEqual([large.value(2.3e-9), large.difference(-0.0002), large.value(0)], ['2.3 × 10⁻⁹', '−0.00020', '0']);
  assert.equal(printerOf(mbar, undefined).value(2.3e-9), '2.30 × 10⁻⁹');
  const [offset] = axesFor([{ unit: 'mbar', low: 1000.01, high: 1000.02, log: false }], 378);
  assert.match(printerOf(mbar, offset).value(offset.offset + 1e-12), /^0\.?0*$/, 'a difference to the offset is none of the value');
});

test('streams of one unit share an axis that shows all of them', () => {
  const streams = [drawn('a', 'V', [1, 5]), drawn('b', '°C', [20, NaN]), drawn('c', 'V', [-3, 2])];
  const groups = groupsOf(streams, VIEW);
  assert.deepEqual(groups.map(({ key, streams: own }) => [key, own.length]), [['V', 2], ['°C', 1]]);
  assert.deepEqual(extentOf(groups[0].streams, VIEW), { unit: 'V', low: -3, high: 5, log: false, resolution: 0.01 });
  assert.equal(extentOf([drawn('a', 'V', [NaN])], VIEW), null);
});

test('streams that would be flat lines on a common axis get one each', () => {
  const lasers = [drawn('rb', 'THz', [384.230484, 384.230494]), drawn('hene', 'THz', [473.612353, 473.612354])];
  const keys = groupsOf(lasers, VIEW).map(({ key }) => key);
  assert.deepEqual(keys, ['THz rb', 'THz hene']);
  const near = [drawn('a', '°C', [20, 21]), drawn('b', '°C', [23, 23.001])];
  assert.deepEqual(groupsOf(near, VIEW).map(({ key }) => key), ['°C']);
});

test('an axis becomes logarithmic when asked, or when its channels span decades', () => {
  const decades = [drawn('p', 'mbar', [1e-9, 1e-3], { scientific: true })];
  const flat = [drawn('p', 'mbar', [2e-9, 3e-9], { scientific: true })];
  assert.equal(extentOf(decades, VIEW)?.log, true);
  assert.equal(extentOf(flat, VIEW)?.log, false);
  assert.equal(extentOf(flat, { ...VIEW, log: true })?.log, true);
  assert.equal(extentOf(decades, { ...VIEW, log: false })?.log, false);
  assert.deepEqual(extentOf([drawn('z', 'V', [0, 0.5, 2])], { ...VIEW, log: true }), { unit: 'V', low: 0.5, high: 2, log: true, resolution: 0.01 });
});

test('values find their place, on a logarithmic axis only those above zero', () => {
  const frame = { start_s: 0, end_s: 10, min: 1, max: 100, log: false, left: 50, top: 10, width: 200, height: 100 };
  assert.equal(horizontal(frame, 5), 150);
  assert.deepEqual([verticalOf(frame)(1), verticalOf(frame)(100)], [110, 10]);
  const log = verticalOf({ ...frame, log: true });
  assert.deepEqual([log(1), log(10), log(100), log(0)], [110, 60, 10, NaN]);
});
