// @ts-check
/** What the lines say at the cursor: beside it, on a phone below the plot. */

import { html, useLayoutEffect, useRef } from '../vendor.js';
import { rowAt } from './extents.js';
import { useModel } from './hooks.js';
import { Swatch } from './swatch.js';
import { bucketText, cursorText } from './words.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */
/** @typedef {import('./plot.js').Plot} Plot */

/** @param {{model: GraphModel, plot: Plot, printer: (stream: import('./extents.js').Drawn) => import('./printer.js').Printer}} props */
export function Readout({ model, plot, printer }) {
  useModel(model, ['cursor', 'draw']);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const time_s = model.cursor_s;
  useLayoutEffect(() => {
    if (box.current && time_s !== null && !plot.isNarrow) stand(box.current, plot, time_s);
  });
  if (time_s === null) return plot.isNarrow ? html`<div class="ro docked dim">Touch the plot to read values</div>` : null;
  const [start_s, end_s] = model.ends();
  const streams = model.drawn();
  const bucket_s = Math.max(0, ...streams.map(({ columns }) => columns.bucket_s));
  return html`<div class=${`ro ${plot.isNarrow ? 'docked' : ''}`} ref=${box} aria-live="polite">
    <div class="t"><span>${cursorText(time_s, end_s - start_s)}</span><span class="dim">${bucket_s ? `${bucketText(bucket_s)} mean` : 'reading'}</span></div>
    ${streams.map((stream) => html`<${Row} key=${stream.path} stream=${stream} time_s=${time_s} span_s=${end_s - start_s} printer=${printer(stream)} band=${model.view.band} />`)}
  </div>`;
}

/** @param {{stream: import('./extents.js').Drawn, time_s: number, span_s: number, printer: import('./printer.js').Printer, band: boolean}} props */
function Row({ stream, time_s, span_s, printer, band }) {
  const { label, pen, columns } = stream;
  const row = rowAt(stream, time_s, span_s);
  const value = row < 0 ? NaN : columns.mean[row];
  const isThere = !Number.isNaN(value);
  const [low, high] = isThere && band && columns.hasBand ? [printer.value(columns.min[row]), printer.value(columns.max[row])] : ['', ''];
  return html`<div class="r"><${Swatch} pen=${pen} /><span class="nm">${label}</span><b>${isThere ? `${printer.value(value)} ${printer.unit}` : 'No value'}</b>${
    low !== high && html`<span class="mm">${low} to ${high}</span>`}</div>`;
}

/** Left of the cursor, or right of it where there is no room. @param {HTMLElement} box @param {Plot} plot @param {number} time_s */
function stand(box, plot, time_s) {
  const x = plot.xAt(time_s);
  const { left, top, height } = plot.area;
  const { offsetWidth, offsetHeight } = box;
  box.style.left = `${x - 16 - offsetWidth > left + 4 ? x - 16 - offsetWidth : x + 16}px`;
  box.style.top = `${Math.max(top, top + height - offsetHeight - 30)}px`;
}
