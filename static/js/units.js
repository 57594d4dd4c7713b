// @ts-check
/** Small differences in a fitting prefix: 1.8e-6 THz is 1.8 MHz. Only units that take prefixes get one. */

import { significantText } from './numbers.js';

/** @type {Record<string, number>} */
const PREFIXES = {
  f: -15, p: -12, n: -9, µ: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12,
};
const BASES = ['Hz', 'V', 'A', 'W', 'm', 's', 'g', 'Pa', 'bar', 'T', 'Ω', 'F', 'N', 'J', 'eV', 'B/s'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/**
 * A unit taken apart; null where it takes no prefix (`°C`, `%`, `dBm`, ...).
 * @param {string} unit
 * @returns {{base: string, power: number} | null}
 */
export function splitUnit(unit) {
  for (const [prefix, power] of Object.entries(PREFIXES)) {
    const base = unit.slice(prefix.length);
    if (unit.startsWith(prefix) && BASES.includes(base)) return { base, power };
  }
  return null;
}

/**
 * A difference of two values in the prefix that suits it: `[1.8e-6, 'THz']` gives `[1.8, 'MHz']`.
 * @param {number} difference
 * @param {string} unit
 * @returns {[number, string]}
 */
export function scaledDifference(difference, unit) {
  if (difference === 0) return [0, unit];
  const binary = BINARY.indexOf(unit);
  if (binary >= 0) return scaledBinary(difference, binary);
  const split = splitUnit(unit);
  if (!split) return [difference, unit];
  const magnitude = Math.log10(Math.abs(difference)) + split.power;
  const fitting = Object.entries(PREFIXES).filter(([, power]) => power <= magnitude + 1e-9).sort((a, b) => b[1] - a[1])[0];
  if (!fitting) return [difference, unit];
  return [difference * 10 ** (split.power - fitting[1]), fitting[0] + split.base];
}

/** @param {number} difference @param {number} at @returns {[number, string]} */
function scaledBinary(difference, at) {
  let [value, index] = [difference, at];
  while (Math.abs(value) < 1 && index > 0) [value, index] = [value * 1024, index - 1];
  while (Math.abs(value) >= 1024 && index < BINARY.length - 1) [value, index] = [value / 1024, index + 1];
  return [value, BINARY[index]];
}

const DECADES_FROM = 3; // as a factor: below, a percentage says more

/**
 * Whether values differ so much that only their ratio can be shown.
 * @param {number} low
 * @param {number} high
 */
export const spansDecades = (low, high) => low > 0 && high / low >= DECADES_FROM;

/**
 * The scale of a sparkline: `1.8 MHz p-p`; for a scientific channel `3.2 % p-p` or `2.3 decades`.
 * @param {number} low
 * @param {number} high
 * @param {{unit: string, scientific?: boolean}} channel
 */
export function peakToPeakText(low, high, channel) {
  const difference = high - low;
  if (channel.scientific && spansDecades(low, high)) return `${Math.log10(high / low).toFixed(1)} decades`;
  if (channel.scientific && low > 0) return `${significantText((200 * difference) / (low + high), 2)} % p-p`;
  const [value, unit] = scaledDifference(difference, channel.unit);
  return `${significantText(value, 2)}${unit ? ` ${unit}` : ''} p-p`;
}
