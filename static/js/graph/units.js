// @ts-check
/**
 * Units with SI prefixes: what 16e-6 THz is called so that a person can read it.
 *
 * The trap: `m` is milli and metre, `min` is neither, and °C takes no prefix; only the units
 * listed here are ever rescaled.
 */

const BASES = ['Hz', 'bar', 'Pa', 'V', 'A', 'W', 'm', 's', 'K', 'J', 'N', 'F', 'H', 'T', 'C', 'g', 'eV', 'rad', 'Ω'];
/** @type {Readonly<Record<string, number>>} */
const PREFIXES = { a: -18, f: -15, p: -12, n: -9, µ: -6, μ: -6, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15 };
/** @type {Readonly<Record<number, string>>} */
const PREFIX_OF = { [-18]: 'a', [-15]: 'f', [-12]: 'p', [-9]: 'n', [-6]: 'µ', [-3]: 'm', 0: '', 3: 'k', 6: 'M', 9: 'G', 12: 'T', 15: 'P' };

/** @param {string} unit @returns {{base: string, exponent: number} | null} null: takes no prefix */
export function splitUnit(unit) {
  if (BASES.includes(unit)) return { base: unit, exponent: 0 };
  const [prefix, base] = [unit.slice(0, 1), unit.slice(1)];
  return BASES.includes(base) && Object.hasOwn(PREFIXES, prefix) ? { base, exponent: PREFIXES[prefix] } : null;
}

/**
 * The unit in which a difference reads well, and what to multiply by to get there.
 *
 * @param {string} unit @param {number} difference in `unit`, above 0
 * @returns {{unit: string, factor: number, exponent: number}} `factor` is 10 to the `exponent`
 */
export function unitForDifference(unit, difference) {
  const split = splitUnit(unit);
  if (!split) return { unit, factor: 1, exponent: 0 };
  const wanted = Math.floor((Math.log10(difference) + split.exponent) / 3 + 1e-9) * 3;
  const exponent = Math.min(15, Math.max(-18, wanted));
  const shift = split.exponent - exponent;
  return { unit: PREFIX_OF[exponent] + split.base, factor: 10 ** shift, exponent: shift };
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `10⁻⁹`, for a canvas, which knows no sup element. @param {number} exponent */
export function powerOfTen(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('');
  return `10${exponent < 0 ? '⁻' : ''}${digits}`;
}
