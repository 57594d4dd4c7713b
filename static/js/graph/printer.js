// @ts-check
/**
 * How the values of one stream are written beside its graph: as the axis shows them, with digits from the span.
 *
 * The trap: with an offset on the axis, values are differences to it, in another unit; without an axis
 * (hidden, nothing in range) they are what the channel says.
 */

import { MISSING, numberText, significantText } from '../numbers.js';
import { asPrinted, digitsFor, fixed } from './axis.js';

const MOST_DIGITS = 9;
const LEAST_SIGNIFICANT = 2;

/**
 * @typedef {object} Printer
 * @property {string} unit
 * @property {(value: number) => string} value
 * @property {(difference: number) => string} difference of two values
 * @property {(rate: number, steps: number) => string} rate a difference per unit of time with its sign, finer where the range has many such units
 */

/**
 * @param {{unit: string, digits: number, scientific: boolean}} stream
 * @param {import('./axis.js').Axis | undefined} axis
 * @returns {Printer}
 */
export function printerOf(stream, axis) {
  if (axis?.log && !stream.scientific) return ofLog(stream);
  const isPlain = !axis || (stream.scientific && axis.offsetText === '');
  return isPlain ? ofChannel(stream) : ofAxis(stream, axis);
}

/** @param {{unit: string, digits: number, scientific: boolean}} stream @returns {Printer} */
function ofChannel({ unit, digits, scientific }) {
  const format = { digits: Math.min(digits, MOST_DIGITS), scientific };
  const text = (/** @type {number} */ value) => numberText(value, format);
  const fine = (/** @type {number} */ rate, /** @type {number} */ steps) => numberText(rate, scientific ? format : { digits: format.digits + moreDigits(steps) });
  return { unit, value: text, difference: text, rate: (rate, steps) => signed(rate, fine(rate, steps)) };
}

/**
 * Over decades the channel's digits leave nothing of the small values but noughts: those get digits of their own.
 *
 * @param {{unit: string, digits: number}} stream @returns {Printer}
 */
function ofLog({ unit, digits }) {
  const isEnough = (/** @type {number} */ value) => digits <= MOST_DIGITS && Math.abs(value) >= 100 * 10 ** -digits;
  const text = (/** @type {number} */ value) => orMissing(value, isEnough(value) ? numberText(value, { digits }) : significantText(value, 4));
  return { unit, value: text, difference: text, rate: (rate) => signed(rate, text(rate)) };
}

/** @param {{digits: number, scientific: boolean}} stream @param {import('./axis.js').Axis} axis @returns {Printer} */
function ofAxis({ digits, scientific }, axis) {
  const shown = digitsFor(axis, scientific ? Infinity : digits);
  const difference = (/** @type {number} */ value, more = 0) => orMissing(value, noNought(value * axis.factor, shown + more));
  const written = axis.offsetText === '' ? noNought : fixed; // on an offset, nought is the offset
  return {
    unit: axis.shownUnit,
    value: (value) => orMissing(value, written(asPrinted(axis, value), shown)),
    difference: (value) => difference(value),
    rate: (rate, steps) => signed(rate, difference(rate, moreDigits(steps))),
  };
}

/** What is not zero is not written as zero. @param {number} value @param {number} digits */
function noNought(value, digits) {
  const text = fixed(value, digits);
  return value === 0 || /[1-9]/.test(text) ? text : significantText(value, LEAST_SIGNIFICANT);
}

/** A slope per day is small where the range is a year. @param {number} steps units of time in the range */
function moreDigits(steps) {
  return Math.max(0, Math.floor(Math.log10(steps)));
}

/** @param {number} value @param {string} text */
function orMissing(value, text) {
  return Number.isFinite(value) ? text : MISSING;
}

/** @param {number} value @param {string} text */
function signed(value, text) {
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}
