// @ts-check
/** The colours and the font of the canvas, read from the style sheet: a canvas knows no custom properties. */

import { resolvedColour } from '../theme.js';

const BAND_OPACITY = 0.2;

/**
 * @typedef {object} Ink
 * @property {string} font
 * @property {string} label @property {string} line @property {string} edge @property {string} surface @property {string} text
 * @property {Record<string, string>} pens by the name of the token
 * @property {Record<string, string>} bands the same, see-through
 */

/** @param {string[]} tokens of the pens, such as `s1` @returns {Ink} */
export function inks(tokens) {
  /** @type {Record<string, string>} */
  const pens = {};
  /** @type {Record<string, string>} */
  const bands = {};
  for (const token of new Set(tokens)) {
    pens[token] = resolvedColour(`--${token}`);
    bands[token] = faded(pens[token], BAND_OPACITY);
  }
  const { fontFamily } = getComputedStyle(document.body);
  return {
    font: `12px ${fontFamily}`,
    label: resolvedColour('--text-3'),
    line: resolvedColour('--line'),
    edge: resolvedColour('--edge'),
    surface: resolvedColour('--surface'),
    text: resolvedColour('--text'),
    pens,
    bands,
  };
}

/** `rgb(1, 2, 3)` -> `rgba(1, 2, 3, 0.2)` @param {string} colour @param {number} opacity */
export function faded(colour, opacity) {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}
