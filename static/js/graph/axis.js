// @ts-check
/**
 * The scale of one unit: its range, where its grid lines are, and how its values are written.
 *
 * What is printed is `(value - offset) * factor`: with an offset when the span is under 1e-4 of the
 * value, with a factor when the numbers would be very small or large. The trap: an offset must
 * not move with every reading, so the one before is kept while it still fits.
 */

import { MINUS } from '../numbers.js';
import { scaledDifference } from '../units.js';

/**
 * @typedef {object} Axis
 * @property {string} unit of the data
 * @property {boolean} log
 * @property {number} min of the scale, in `unit`
 * @property {number} max
 * @property {number[]} splits where lines and labels are, in `unit`
 * @property {string[]} labels
 * @property {number} offset in `unit`
 * @property {string} offsetText as it stands in the title, empty without offset
 * @property {number} factor
 * @property {number} exponent of the factor
 * @property {string} shownUnit of the printed values
 * @property {number} span of the data, as printed
 */

/**
 * @typedef {object} Extent what the axis has to show
 * @property {string} unit
 * @property {number} low
 * @property {number} high
 * @property {boolean} log
 * @property {number} [resolution] the last digit of the channel, in `unit`
 */

export const OFFSET_BELOW = 1e-4;
const PADDING = 0.025;
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/**
 * The axes of several units over the same height, with grid lines at the same places where they can be.
 *
 * @param {Extent[]} extents @param {number} height_px @param {Array<Axis | undefined>} [before] as they were drawn last
 * @returns {Axis[]}
 */
export function axesFor(extents, height_px, before = []) {
  const shown = extents.map((extent, i) => (extent.log ? null : printed(widened(extent), before[i])));
  const linear = shown.filter((axis) => axis !== null);
  const aligned = align(linear.map(({ low, high }) => padded(low, high)), height_px);
  let next = 0;
  return shown.map((axis, i) => (axis ? linearAxis(axis, aligned[next++]) : logAxis(extents[i])));
}

/** A line that does not move still needs a height. @param {Extent} extent @returns {Extent} */
function widened(extent) {
  const { low, high } = extent;
  const size = Math.max(Math.abs(low), Math.abs(high));
  const resolution = size > 0 && size < (extent.resolution ?? 0) / 2 ? 0 : extent.resolution ?? 0; // too coarse for these values
  const least = Math.max(resolution * 4, Math.abs(high) * 1e-13);
  if (high - low >= least && high > low) return extent;
  const half = Math.max(least / 2, resolution ? 0 : Math.abs(high) * 0.05 || 1);
  const middle = (low + high) / 2;
  return { ...extent, low: middle - half, high: middle + half };
}

/** @typedef {{unit: string, low: number, high: number, offset: number, offsetText: string, factor: number, exponent: number, shownUnit: string, span: number}} Printed */

/** @param {Extent} extent @param {Axis} [before] @returns {Printed} `low`, `high` as printed */
function printed({ unit, low, high }, before) {
  const span = high - low;
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (span < OFFSET_BELOW * size) return withOffset(unit, low, high, before);
  const exponent = size < 1e-3 || size >= 1e6 ? -Math.floor(Math.log10(size)) : 0;
  const factor = 10 ** exponent;
  const shownUnit = exponent === 0 ? unit : `${powerOfTen(-exponent)} ${unit}`.trim();
  return { unit, low: low * factor, high: high * factor, offset: 0, offsetText: '', factor, exponent, shownUnit, span: span * factor };
}

/** @param {string} unit @param {number} low @param {number} high @param {Axis} [before] @returns {Printed} */
function withOffset(unit, low, high, before) {
  const span = high - low;
  const scaled = unitFor(unit, span);
  const digits = -Math.floor(Math.log10(span));
  const kept = keptOffset(low, high, scaled.unit, before);
  const offset = kept ? kept.offset : Number((Math.floor(low * 10 ** digits) / 10 ** digits).toFixed(Math.max(0, digits)));
  const { factor, exponent } = scaled;
  return {
    unit, low: (low - offset) * factor, high: (high - offset) * factor, offset,
    offsetText: kept ? kept.offsetText : offset.toFixed(Math.max(0, digits)).replace('-', MINUS),
    factor, exponent, shownUnit: scaled.unit, span: span * factor,
  };
}

/** The unit in which a difference reads well, and what to multiply by to get there. @param {string} unit @param {number} difference */
function unitFor(unit, difference) {
  const [value, shown] = scaledDifference(difference, unit);
  const exponent = Math.log10(value / difference);
  const whole = Math.round(exponent);
  // the quotient is off by a rounding error, a power of ten is not; binary prefixes have no such power
  return { unit: shown, factor: Math.abs(exponent - whole) < 1e-6 ? 10 ** whole : value / difference, exponent: whole };
}

/** `10⁻⁹`, for a canvas, which knows no sup element. @param {number} exponent */
function powerOfTen(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `10${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** @param {number} low @param {number} high @param {string} shownUnit @param {Axis} [before] */
function keptOffset(low, high, shownUnit, before) {
  if (!before || before.offsetText === '' || before.shownUnit !== shownUnit) return null;
  const reach = 20 * (high - low);
  return before.offset > low - reach && before.offset < high + reach ? before : null;
}

/** @param {number} low @param {number} high @returns {[number, number]} */
function padded(low, high) {
  const room = (high - low) * PADDING;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high <= 0 && high + room > 0 ? 0 : high + room];
}

/**
 * Ranges of round steps, all with the same number of steps, so that grid lines fall together.
 *
 * @param {Array<[number, number]>} ranges @param {number} height_px
 * @returns {Array<{start: number, step: number, count: number}>}
 */
export function align(ranges, height_px) {
  const most = Math.max(3, Math.floor(height_px / 40));
  const least = Math.min(most, Math.max(3, Math.floor(height_px / 80)));
  /** @type {Array<{start: number, step: number, count: number}>} */
  let best = [];
  let bestWaste = Infinity;
  for (let count = most; count >= least; count -= 1) {
    const found = ranges.map(([low, high]) => fit(low, high, count));
    const waste = found.reduce((sum, { step }, i) => sum + Math.log((step * count) / (ranges[i][1] - ranges[i][0])), 0);
    if (waste < bestWaste - 1e-9) [best, bestWaste] = [found, waste];
  }
  return best;
}

/** @param {number} low @param {number} high @param {number} count */
function fit(low, high, count) {
  let step = niceStep((high - low) / count);
  let start = Math.floor(low / step + 1e-9);
  while ((start + count) * step < high - step * 1e-9) {
    step = niceStep(step * 1.01);
    start = Math.floor(low / step + 1e-9);
  }
  const spare = Math.floor(((start + count) * step - high) / step / 2 + 1e-9);
  if (start >= 0) start = Math.max(0, start - spare);
  else start -= spare;
  return { start, step, count };
}

/** The smallest of 1, 2, 5 times a power of ten that is not below. @param {number} atLeast */
export function niceStep(atLeast) {
  const power = 10 ** Math.floor(Math.log10(atLeast) + 1e-12);
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= atLeast * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** @param {Printed} axis @param {{start: number, step: number, count: number}} grid @returns {Axis} */
function linearAxis(axis, { start, step, count }) {
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const lines = Array.from({ length: count + 1 }, (_, i) => (start + i) * step);
  const splits = lines.map((line) => axis.offset + line / axis.factor);
  return {
    unit: axis.unit, log: false, min: splits[0], max: splits[count], splits,
    labels: lines.map((line) => fixed(line, digits)),
    offset: axis.offset, offsetText: axis.offsetText, factor: axis.factor, exponent: axis.exponent,
    shownUnit: axis.shownUnit, span: axis.span,
  };
}

/** With U+2212, and no minus before zero. @param {number} value @param {number} digits */
export function fixed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** @param {Extent} extent positive @returns {Axis} */
function logAxis({ unit, low, high }) {
  const top = high > 0 ? high : 1;
  const bottom = low > 0 ? low : top / 1000;
  const decades = Math.log10(top / bottom);
  const factors = decades > 2.5 ? [1] : [1, 2, 5];
  const isWide = decades > 0.7;
  const between = isWide ? logLines(bottom, top, factors) : closeLines(bottom, top);
  const [min, max] = [between[0], between[between.length - 1]];
  const every = Math.ceil(between.length / 12);
  const splits = between.filter((_, i) => i % every === 0);
  return {
    unit, log: true, min, max, splits, labels: isWide ? splits.map(logLabel) : closeLabels(splits),
    offset: 0, offsetText: '', factor: 1, exponent: 0, shownUnit: unit, span: top - bottom,
  };
}

/** @param {number} low @param {number} high @param {number[]} factors */
function logLines(low, high, factors) {
  /** @type {number[]} */
  const lines = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of factors) lines.push(Number(`${factor}e${power}`));
  }
  const first = lines.findLastIndex((line) => line <= low * (1 + 1e-9));
  const last = lines.findIndex((line) => line >= high * (1 - 1e-9));
  return lines.slice(Math.max(0, first), last === -1 ? lines.length : last + 1);
}

/** Under half a decade the lines of a linear axis read better. @param {number} low @param {number} high */
function closeLines(low, high) {
  const step = niceStep(Math.max(high - low, high * 1e-10) / 5);
  const start = Math.max(1, Math.floor(low / step + 1e-9));
  const end = Math.max(start + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}

/** With as many digits as it takes to tell neighbours apart, all the same. @param {number[]} lines ascending */
function closeLabels(lines) {
  const step = Math.min(...lines.slice(1).map((line, i) => line - lines[i]));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-6));
  const isPlain = lines[0] >= 1e-3 && lines[lines.length - 1] < 1e6 && digits <= 12;
  return isPlain ? lines.map((line) => line.toFixed(digits)) : lines.map(logLabel);
}

/** @param {number} value */
function logLabel(value) {
  if (value >= 1e-3 && value < 1e6) return String(Number(value.toPrecision(6)));
  const [mantissa, exponent] = Number(value.toPrecision(6)).toExponential().split('e');
  const power = powerOfTen(Number(exponent));
  return mantissa === '1' ? power : `${mantissa} × ${power}`;
}

/**
 * Digits after the point with which printed values are written: three significant of the span, and
 * not more than the channel has, unless that would leave none of a small value.
 *
 * @param {Axis} axis @param {number} channelDigits of the value in its own unit
 */
export function digitsFor(axis, channelDigits) {
  const wanted = axis.span > 0 ? 3 - Math.floor(Math.log10(axis.span) + 1e-9) : 2;
  const own = channelDigits - axis.exponent;
  return Math.min(Math.max(0, wanted), own < 0 && axis.offsetText === '' ? Infinity : Math.max(0, own), 12);
}

/** @param {Axis} axis @param {number} value in the unit of the data */
export function asPrinted(axis, value) {
  return (value - axis.offset) * axis.factor;
}
