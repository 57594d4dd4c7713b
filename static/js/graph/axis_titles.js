// @ts-check
/** Above each axis, horizontally: whose it is, its unit, and its offset. */

import { NARROW_SPACE } from '../numbers.js';
import { html } from '../vendor.js';
import { Swatch } from './swatch.js';

/** @typedef {import('./axis.js').Axis} Axis */

/** @param {{axes: Axis[], groups: import('./extents.js').AxisGroup[], shownAxes: number}} props */
export function AxisTitles({ axes, groups, shownAxes }) {
  return html`<div class="axn">${groups.map(({ key, streams: own }, i) => {
    const axis = axes[i];
    const swatches = own.map(({ pen, path }) => html`<${Swatch} key=${path} pen=${pen} />`);
    const words = html`<span class="what">${own.length <= 2 && html`<span class="hide-s">${own.map(({ label }) => label).join(', ')}${unitText(axis) && ','} </span>`}
      ${unitText(axis)}${i >= shownAxes && ' (no axis here)'}</span>`;
    return html`<span key=${key}>${i === 0 ? [swatches, words] : [words, swatches]}</span>`;
  })}</div>`;
}

/** `MHz above 384.230 484 THz` @param {Axis} axis */
export function unitText({ unit, shownUnit, offsetText, log }) {
  if (offsetText === '') return log && shownUnit ? `${shownUnit}, logarithmic` : shownUnit;
  return `${shownUnit} above ${grouped(offsetText)} ${unit}`.trim();
}

/** Digits after the point in threes. @param {string} text */
function grouped(text) {
  const [whole, fraction] = text.split('.');
  if (fraction === undefined || fraction.length < 5) return text;
  return `${whole}.${fraction.replace(/(\d{3})(?=\d)/g, `$1${NARROW_SPACE}`)}`;
}
