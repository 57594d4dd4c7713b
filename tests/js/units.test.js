// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peakToPeakText, scaledDifference, splitUnit } from '../../static/js/units.js';

test('a unit with a prefix is taken apart, one without stays whole', () => {
  assert.deepEqual(splitUnit('THz'), { base: 'Hz', power: 12 });
  assert.deepEqual(splitUnit('mbar'), { base: 'bar', power: -3 });
  assert.deepEqual(splitUnit('m'), { base: 'm', power: 0 });
  for (const unit of ['°C', '%', 'dBm', '']) assert.equal(splitUnit(unit), null);
});

test('a small difference gets the prefix that suits it', () => {
  const [value, unit] = scaledDifference(1.8e-6, 'THz');
  assert.equal(unit, 'MHz');
  assert.ok(Math.abs(value - 1.8) < 1e-9);
  assert.deepEqual(scaledDifference(0.5, '°C'), [0.5, '°C']);
  assert.deepEqual(scaledDifference(0.5, 'GiB'), [512, 'MiB']);
  assert.equal(peakToPeakText(0, 41_933, { unit: 'kB/s' }), '42 MB/s p-p');
});

test('the scale of a sparkline', () => {
  assert.equal(peakToPeakText(384.2304840, 384.2304858, { unit: 'THz' }), '1.8 MHz p-p');
  assert.equal(peakToPeakText(18, 18.12, { unit: '°C' }), '0.12 °C p-p');
  assert.equal(peakToPeakText(2.27e-9, 2.35e-9, { unit: 'mbar', scientific: true }), '3.5 % p-p');
  assert.equal(peakToPeakText(1e-7, 2e-5, { unit: 'mbar', scientific: true }), '2.3 decades');
  assert.equal(peakToPeakText(7, 7, { unit: 'V' }), '0 V p-p');
  assert.equal(peakToPeakText(1, 3, { unit: '' }), '2.0 p-p');
});
