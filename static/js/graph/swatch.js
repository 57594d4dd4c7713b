// @ts-check
/** The little line that stands for a stream in titles, tables and readouts. */

import { html } from '../vendor.js';

/** @param {{pen: import('./palette.js').Pen}} props */
export function Swatch({ pen }) {
  const dash = pen.dash.length ? (pen.dash[0] > 5 ? '6 4' : '2 3') : undefined;
  return html`<svg class=${`sw ${pen.colour}`} viewBox="0 0 20 10" aria-hidden="true"><path d="M0 5H20" stroke-dasharray=${dash} /></svg>`;
}
