// @ts-check
/**
 * Statistics of the visible part of a stream: pooled over buckets, so that they equal those of the readings.
 *
 * The trap: values like 384.230484 THz with a spread of 1e-9 THz lose everything to rounding when sums of
 * squares are taken; everything here is relative to the first value.
 */

/** @typedef {import('./columns.js').Columns} Columns */

/**
 * @typedef {object} Statistics
 * @property {number} readings how many have a value
 * @property {number} mean
 * @property {number} std of the readings, about their mean (n - 1)
 * @property {number} min
 * @property {number} max
 * @property {number} slope_per_s of the straight line through everything
 */

/**
 * @param {Columns} columns @param {number} start_s @param {number} end_s
 * @returns {Statistics | null} null if there is no value between the two
 */
export function statistics(columns, start_s, end_s) {
  const { t, mean, min, max, count, std, bucket_s } = columns;
  const from = columns.firstFrom(start_s);
  let to = columns.firstFrom(end_s);
  if (to < columns.length && columns.x(to) <= end_s) to += 1;
  const origin = firstValue(mean, from, to);
  if (Number.isNaN(origin)) return null;
  let n = 0, sumX = 0, sumY = 0, sumXx = 0, sumXy = 0, sumYy = 0;
  let low = Infinity, high = -Infinity;
  for (let i = from; i < to; i += 1) {
    const y = mean[i] - origin;
    if (Number.isNaN(y)) continue;
    const weight = count ? count[i] || 1 : 1;
    const x = t[i] + bucket_s / 2 - start_s;
    const spread = std ? std[i] || 0 : 0;
    n += weight;
    sumX += weight * x;
    sumY += weight * y;
    sumXx += weight * x * x;
    sumXy += weight * x * y;
    sumYy += weight * (y * y + spread * spread);
    if (min[i] < low) low = min[i];
    if (max[i] > high) high = max[i];
  }
  const varianceX = sumXx - (sumX * sumX) / n;
  return {
    readings: n,
    mean: origin + sumY / n,
    std: n > 1 ? Math.sqrt(Math.max(0, sumYy - (sumY * sumY) / n) / (n - 1)) : NaN,
    min: low,
    max: high,
    slope_per_s: varianceX > 0 ? (sumXy - (sumX * sumY) / n) / varianceX : NaN,
  };
}

/** @param {Float64Array} values @param {number} from @param {number} to */
function firstValue(values, from, to) {
  for (let i = from; i < to; i += 1) if (!Number.isNaN(values[i])) return values[i];
  return NaN;
}

/** The time in which a slope is told: such that it is about the change over the range. @param {number} span_s */
export function slopeUnit(span_s) {
  if (span_s < 30) return { word: 's', seconds: 1 };
  if (span_s <= 900) return { word: 'min', seconds: 60 };
  if (span_s <= 2 * 86400) return { word: 'h', seconds: 3600 };
  return { word: 'day', seconds: 86400 };
}
