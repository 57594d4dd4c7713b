// @ts-check
/**
 * How a number is written: digits from the channel, groups of three after the point, a real minus, digits below the
 * accuracy apart. Pure: it answers with runs of digits; digits.js puts them on the page.
 */

export const MINUS = '\u2212';
export const MISSING = '\u2013';
export const NARROW_SPACE = '\u202f';

const GROUP_FROM = 5; // digits before or after the point
const FIXED_BELOW = 1e9; // beyond, a number written out is only a row of digits
const LEAST_MANTISSA = 4; // digits after its point where the channel has few: 1 × 10⁹ says too little of a counter
const FIXED_FROM = 1e-3; // below, what the channel's digits would make nought has an exponent
const SMALL_MANTISSA = [1, 2]; // digits after its point, at least and at most: it stands where 0.00 would

/** @typedef {{digits: number, scientific?: boolean, accuracy?: number | null}} Format what a `Channel` says */
/**
 * @typedef {object} Run some digits of a number
 * @property {string} text
 * @property {boolean} gap a thin gap stands before it (drawn, not a character)
 * @property {boolean} low below the accuracy
 */
/**
 * @typedef {object} NumberFace
 * @property {Run[]} runs with the sign and the point; of the mantissa where there is an exponent
 * @property {string | null} exponent of ten, with a real minus: `−9`
 * @property {string} plain as copied and spoken: `384.230484468`, `2.31e-9`
 */

/**
 * A number as it is shown.
 * @param {number} value finite
 * @param {Format} format
 * @returns {NumberFace}
 */
export function numberFace(value, format) {
  const plain = plainText(value, format);
  const [mantissa, power] = plain.split('e');
  const exponent = power === undefined ? 0 : Number(power);
  const low = lowestPlace(format.accuracy) - exponent;
  return {
    runs: runsOf(mantissa, low),
    exponent: power === undefined ? null : withMinus(power),
    plain: isZero(mantissa) ? plain.replace('-', '') : plain,
  };
}

/**
 * The channel's digits, and others where they would say nothing: what is not zero is never written as zero.
 *
 * @param {number} value @param {Format} format
 */
function plainText(value, { digits, scientific = false }) {
  const size = Math.abs(value);
  if (scientific) return exponential(value, digits);
  if (size >= FIXED_BELOW) return exponential(value, Math.max(digits, LEAST_MANTISSA));
  const text = value.toFixed(digits);
  if (size === 0 || !isZero(text)) return text;
  if (size >= FIXED_FROM) return value.toFixed(-Math.floor(Math.log10(size)));
  const [least, most] = SMALL_MANTISSA;
  return exponential(value, Math.min(most, Math.max(least, digits)));
}

/** @param {number} value @param {number} digits */
const exponential = (value, digits) => value.toExponential(digits).replace('e+', 'e');

/** The power of ten of the last digit that counts. @param {number | null | undefined} accuracy */
function lowestPlace(accuracy) {
  return accuracy ? Math.floor(Math.log10(accuracy) + 1e-9) : -Infinity;
}

/** @param {string} text */
const isZero = (text) => !/[1-9]/.test(text);

/** @param {string} text */
export const withMinus = (text) => text.replace('-', MINUS);

/**
 * @param {string} mantissa `-12.345678`
 * @param {number} lowPlace digits of a smaller place are below the accuracy
 * @returns {Run[]}
 */
function runsOf(mantissa, lowPlace) {
  const [whole, fraction = ''] = mantissa.replace('-', '').split('.');
  /** @type {Run[]} */
  const runs = [];
  const push = (/** @type {string} */ text, /** @type {boolean} */ gap, /** @type {boolean} */ low) => {
    const last = runs[runs.length - 1];
    if (last && !gap && last.low === low) last.text += text;
    else runs.push({ text, gap, low });
  };
  if (mantissa.startsWith('-') && !isZero(mantissa)) push(MINUS, false, false);
  const wholeGroups = whole.length >= GROUP_FROM;
  [...whole].forEach((digit, i) => {
    const place = whole.length - 1 - i;
    push(digit, wholeGroups && i > 0 && place % 3 === 2, place < lowPlace);
  });
  if (fraction) push('.', false, runs[runs.length - 1].low);
  const fractionGroups = fraction.length >= GROUP_FROM;
  [...fraction].forEach((digit, i) => {
    push(digit, fractionGroups && i > 0 && i % 3 === 0, -(i + 1) < lowPlace);
  });
  return runs;
}

/**
 * A number in one line of text, for titles and canvases: `384.230484468`, `2.31 × 10^-9`, `−1.36`.
 * @param {number | null | undefined} value
 * @param {Format} format
 */
export function numberText(value, format) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return MISSING;
  const { runs, exponent } = numberFace(value, format);
  const mantissa = runs.map((run) => run.text).join('');
  return exponent === null ? mantissa : `${mantissa} × 10${[...exponent].map((c) => SUPERSCRIPT[c]).join('')}`;
}

/** @type {Record<string, string>} */
const SUPERSCRIPT = {
  [MINUS]: '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹',
};

/**
 * A count: `1 800`, `33 582`, with narrow no-break spaces.
 * @param {number} count
 */
export function countText(count) {
  return withMinus(String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE));
}

/**
 * To so many significant digits, without an exponent where that is readable.
 * @param {number} value
 * @param {number} significant
 */
export function significantText(value, significant) {
  if (value === 0) return '0';
  const power = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(significant)))));
  if (power < -4 || power > 6) return numberText(value, { digits: significant - 1, scientific: true });
  return withMinus(value.toFixed(Math.max(0, significant - 1 - power)));
}

/**
 * Bytes to three digits, with their unit: `1.23` and `MB`.
 * @param {number} count
 * @returns {{value: string, unit: string}}
 */
export function bytesFace(count) {
  const digits = Math.log10(Math.max(1, Number(count.toPrecision(3))));
  const step = Math.min(BYTE_UNITS.length - 1, Math.floor(digits / 3));
  return { value: step ? significantText(count / 1000 ** step, 3) : countText(count), unit: BYTE_UNITS[step] };
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `10.0 Hz`, `0.02 Hz`, `10.0 kHz` @param {number} rate_hz */
export function rateText(rate_hz) {
  if (rate_hz < 0.095) return `${rate_hz.toPrecision(1)} Hz`;
  return rate_hz < 999.95 ? `${rate_hz.toFixed(1)} Hz` : `${(rate_hz / 1000).toFixed(1)} kHz`;
}
