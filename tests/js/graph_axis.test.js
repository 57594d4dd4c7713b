// @ts-check
process.env.TZ = 'Europe/Berlin';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { align, asPrinted, axesFor, digitsFor, fixed, niceStep } from '../../static/js/graph/axis.js';
import { timeTicks } from '../../static/js/graph/time_axis.js';

test('steps are 1, 2 or 5 times a power of ten', () => {
  assert.deepEqual([0.9, 1, 1.1, 3, 6, 0.011, 1e-9].map(niceStep), [1, 1, 2, 5, 10, 0.02, 1e-9]);
});

test('two axes share their grid lines', () => {
  const [left, right] = align([[-3.8, 11.2], [20.9, 24.2]], 378);
  assert.equal(left.count, right.count);
  assert.ok(left.start * left.step <= -3.8 && (left.start + left.count) * left.step >= 11.2);
  assert.ok(right.start * right.step <= 20.9 && (right.start + right.count) * right.step >= 24.2);
});

test('a span far below the value is shown as a difference, with the offset in the title', () => {
  const [axis] = axesFor([{ unit: 'THz', low: 384.230482, high: 384.230495, log: false, resolution: 1e-9 }], 378);
  assert.equal(axis.shownUnit, 'MHz');
  assert.equal(axis.offsetText, '384.23048');
  assert.ok(Math.abs(asPrinted(axis, 384.230484) - 4) < 1e-6);
  assert.equal(digitsFor(axis, 9), 2);
  assert.ok(axis.labels.includes('0') && axis.labels.includes('10'));
  assert.ok(axis.min <= 384.230482 && axis.max >= 384.230495);
});

test('the offset stays while the values drift a little', () => {
  const extent = { unit: 'THz', low: 384.230482, high: 384.230495, log: false };
  const [before] = axesFor([extent], 378);
  const [near] = axesFor([{ ...extent, low: 384.230502, high: 384.230515 }], 378, [before]);
  assert.equal(near.offsetText, before.offsetText);
  const [far] = axesFor([{ ...extent, low: 384.232502, high: 384.232515 }], 378, [before]);
  assert.equal(far.offsetText, '384.23250');
});

test('digits come from the span, and not more than the channel has', () => {
  const [air] = axesFor([{ unit: '°C', low: 21.1, high: 22.25, log: false }], 378);
  const [plate] = axesFor([{ unit: '°C', low: 23.6, high: 23.9, log: false }], 378);
  assert.deepEqual([digitsFor(air, 2), digitsFor(plate, 3), digitsFor(air, 9)], [2, 3, 3]);
});

test('very small values get a power of ten in the title', () => {
  const [axis] = axesFor([{ unit: 'mbar', low: 2.1e-9, high: 4.4e-9, log: false }], 378);
  assert.equal(axis.shownUnit, '10⁻⁹ mbar');
  assert.ok(axis.labels.every((label) => Number(label) >= 0 && Number(label) <= 5));
});

test('a line that does not move still has an axis', () => {
  for (const [value, resolution] of [[5, 0.01], [0, 0.01], [-3, 0], [384.230484468, 1e-9], [0, 0]]) {
    const [axis] = axesFor([{ unit: 'V', low: value, high: value, log: false, resolution }], 300);
    assert.ok(axis.min < value && axis.max > value, `${value}: ${axis.min} to ${axis.max}`);
    assert.equal(new Set(axis.labels).size, axis.labels.length, `${value}: ${axis.labels}`);
  }
});

test('logarithmic axes have decades, or lines between when there are few', () => {
  const [wide] = axesFor([{ unit: 'mbar', low: 3e-9, high: 8e-4, log: true }], 378);
  assert.deepEqual([wide.min, wide.max], [1e-9, 1e-3]);
  assert.equal(wide.labels[0], '10⁻⁹');
  const [narrow] = axesFor([{ unit: 'mbar', low: 2.2e-9, high: 2.6e-9, log: true }], 378);
  assert.ok(narrow.splits.length >= 3 && narrow.min <= 2.2e-9 && narrow.max >= 2.6e-9);
  const [some] = axesFor([{ unit: 'mbar', low: 3, high: 40, log: true }], 378);
  assert.deepEqual(some.splits, [2, 5, 10, 20, 50]);
  const [tiny] = axesFor([{ unit: 'THz', low: 384.234657, high: 384.234683, log: true }], 378);
  assert.ok(tiny.labels.length >= 4 && new Set(tiny.labels).size === tiny.labels.length, String(tiny.labels));
  assert.equal(new Set(tiny.labels.map(({ length }) => length)).size, 1, 'zeros stay');
  assert.ok(tiny.min <= 384.234657 && tiny.max >= 384.234683);
});

test('minus is a real minus, and zero has none', () => {
  assert.deepEqual([fixed(-4, 0), fixed(-0.001, 1), fixed(20.5, 1)], ['−4', '0.0', '20.5']);
});

test('an hour is marked every ten minutes in the viewers zone', () => {
  const end = Date.UTC(2026, 10, 22, 14, 4, 7) / 1000;
  assert.deepEqual(timeTicks(end - 3600, end, 1122).labels, ['14:10', '14:20', '14:30', '14:40', '14:50', '15:00']);
  assert.deepEqual(timeTicks(end - 3600, end, 255).labels, ['14:20', '14:40', '15:00']);
});

test('seconds and their parts are marked when one looks close', () => {
  const end = Date.UTC(2026, 10, 22, 14, 4, 7) / 1000;
  assert.deepEqual(timeTicks(end - 10, end, 400).labels, ['15:03:58', '15:04:00', '15:04:02', '15:04:04', '15:04:06']);
  assert.deepEqual(timeTicks(end, end + 0.1, 300).labels, ['15:04:07.00', '15:04:07.05', '15:04:07.10']);
});

test('midnight is written as the date, months as their name, January as its year', () => {
  const end = Date.UTC(2026, 10, 22, 14, 4, 7) / 1000;
  assert.ok(timeTicks(end - 86400, end, 1122).labels.includes('22 Nov'));
  const year = timeTicks(end - 365 * 86400, end, 1122);
  assert.ok(year.labels.includes('2026') && year.labels.includes('Mar'));
});

test('days stay days when the clock changes', () => {
  const start = Date.UTC(2026, 9, 22, 22) / 1000; // midnight of 23 October in Berlin, a change on the 25th
  const { splits, labels } = timeTicks(start, start + 6 * 86400, 800);
  assert.deepEqual(labels, ['23 Oct', '24 Oct', '25 Oct', '26 Oct', '27 Oct', '28 Oct']);
  assert.equal(splits[3] - splits[2], 25 * 3600);
});

test('values far below the channel’s last digit still have a scale of their own', () => {
  const [axis] = axesFor([{ unit: 'mbar', low: 2e-9, high: 3e-9, log: false, resolution: 0.01 }], 378);
  assert.ok(axis.max < 1e-8, `up to ${axis.max}`);
  const [still] = axesFor([{ unit: 'V', low: 0, high: 0, log: false, resolution: 0.01 }], 378);
  assert.ok(still.max >= 0.02 && still.max < 0.1, `up to ${still.max}`);
});
