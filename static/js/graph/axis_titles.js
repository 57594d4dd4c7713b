// @ts-check
/** Above each axis, horizontally: whose it is, its unit, and its offset. */

import { NARROW_SPACE } from '../numbers.js';
import { html } from '../vendor.js';
import { Swatch } from './swatch.js';

/** @typedef {import('./axis.js').Axis} Axis */
/** @typedef {import('./extents.js').Drawn} Drawn */

/** @param {{axes: Axis[], streams: Drawn[], shownAxes: number}} props */
export function AxisTitles({ axes, streams, shownAxes }) {
  return html`<div class="axn">${axes.map((axis, i) => {
    const own = streams.filter(({ unit }) => unit === axis.unit);
    const swatches = own.map(({ pen, path }) => html`<${Swatch} key=${path} pen=${pen} />`);
    const words = html`<span class="what">${own.length <= 2 && html`<span class="hide-s">${own.map(({ label }) => label).join(', ')}${unitText(axis) && ','} </span>`}
      ${unitText(axis)}${i >= shownAxes && ' (no axis here)'}</span>`;
    return html`<span key=${axis.unit}>${i === 0 ? [swatches, words] : [words, swatches]}</span>`;
  })}</div>`;
}

/** `MHz above 384.230 484 THz` @param {Axis} axis */
function unitText({ unit, shownUnit, offsetText, log }) {
  if (offsetText === '') return log && shownUnit ? `${shownUnit}, logarithmic` : shownUnit;
  return `${shownUnit} above ${grouped(offsetText)} ${unit}`.trim();
}

/** Digits after the point in threes. @param {string} text */
function grouped(text) {
  const [whole, fraction] = text.split('.');
  if (fraction === undefined || fraction.length < 5) return text;
  return `${whole}.${fraction.replace(/(\d{3})(?=\d)/g, `$1${NARROW_SPACE}`)}`;
}
