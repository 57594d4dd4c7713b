// @ts-check
/** The streams of the graph with the statistics of what is visible; here they are hidden and removed. */

import { Icon } from '../icons.js';
import { countText, MISSING } from '../numbers.js';
import { isSimulated } from '../states.js';
import { html } from '../vendor.js';
import { rowAt } from './extents.js';
import { useModel } from './hooks.js';
import { slopeUnit, statistics } from './statistics.js';
import { Swatch } from './swatch.js';
import { newestOf } from './tail.js';
import { cursorText } from './words.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */
/** @typedef {import('./extents.js').Drawn} Drawn */
/** @typedef {import('./printer.js').Printer} Printer */

/** @param {{model: GraphModel, printer: (stream: Drawn) => Printer}} props */
export function StreamTable({ model, printer }) {
  useModel(model, ['view', 'data', 'draw', 'cursor'], 200);
  const [start_s, end_s] = model.ends();
  const slope = slopeUnit(end_s - start_s);
  const { cursor_s } = model;
  return html`<section class="card lg" aria-label="Streams and statistics of the visible range"><table>
    <thead><tr><th scope="col">Stream</th><th scope="col" class="n">${cursor_s === null ? 'At cursor' : `At ${cursorText(cursor_s, end_s - start_s)}`}</th>
      <th scope="col" class="n">Now</th><th scope="col" class="n">Mean</th><th scope="col" class="n">Std</th><th scope="col" class="n">Peak to peak</th>
      <th scope="col" class="n">Slope, per ${slope.word}</th><th scope="col" class="n">Readings</th><th scope="col">Unit</th><th scope="col" class="rm"><span class="vh">Remove</span></th></tr></thead>
    <tbody>${model.view.streams.map((path) => html`<${Row} key=${path} model=${model} path=${path} printer=${printer} slope_s=${slope.seconds} />`)}</tbody>
  </table></section>`;
}

/** @param {{model: GraphModel, path: string, printer: (stream: Drawn) => Printer, slope_s: number}} props */
function Row({ model, path, printer, slope_s }) {
  const stream = model.listed().find((candidate) => candidate.path === path);
  const descriptor = model.loader.descriptors.get(path);
  const label = descriptor?.label ?? path;
  const isShown = !model.view.hidden.includes(path);
  const toggle = () => model.setView({ hidden: isShown ? [...model.view.hidden, path] : model.view.hidden.filter((other) => other !== path) }, 'replace');
  return html`<tr class=${isShown ? '' : 'off'}>
    <td><label class="leg" title=${path}><input type="checkbox" checked=${isShown} onChange=${toggle} /><span class="box"></span><${Swatch} pen=${model.palette.pen(path)} />
      <span class="nm">${label}</span>${isMadeUp(model, path) && html`<span class="st c-sim" title="Simulated"><${Icon} name="sim" /><span class="vh">Simulated</span></span>`}${label !== path && html` <span class="dim path">${path}</span>`}</label></td>
    ${stream ? html`<${Numbers} model=${model} stream=${stream} printer=${printer(stream)} slope_s=${slope_s} />` : html`<td class="dim why" colspan="8">${reasonOf(model, path)}</td>`}
    <td class="rm"><button type="button" class="iconbtn" title="Remove from the graph" aria-label=${`Remove ${label} from the graph`} onClick=${() => model.setView({
      streams: model.view.streams.filter((other) => other !== path), hidden: model.view.hidden.filter((other) => other !== path) })}><${Icon} name="x" /></button></td>
  </tr>`;
}

/** @param {{model: GraphModel, stream: Drawn, printer: Printer, slope_s: number}} props */
function Numbers({ model, stream, printer, slope_s }) {
  const { columns } = stream;
  const [start_s, end_s] = model.ends();
  const found = statistics(columns, start_s, end_s);
  const { cursor_s } = model;
  const cells = [
    valueAt(columns, cursor_s === null ? -1 : rowAt(stream, cursor_s, end_s - start_s), printer),
    newest(model, stream, printer),
    found ? printer.value(found.mean) : MISSING,
    found && found.readings > 1 ? printer.difference(found.std) : MISSING,
    found ? printer.difference(found.max - found.min) : MISSING,
    found && Number.isFinite(found.slope_per_s) ? printer.rate(found.slope_per_s * slope_s, (end_s - start_s) / slope_s) : MISSING,
    found ? countText(found.readings) : '0',
  ];
  return html`${cells.map((cell, i) => html`<td class=${i === 1 ? 'n now' : 'n'}>${cell}</td>`)}<td class="mute un" title=${printer.unit}>${printer.unit}</td>`;
}

/** Whether the stream is simulated now: that is said wherever its values are. @param {GraphModel} model @param {string} path */
function isMadeUp({ app }, path) {
  const { reading } = app.store.stream(path);
  return reading !== null && isSimulated(reading.quality);
}

/** The newest reading, unless it is old. @param {GraphModel} model @param {Drawn} stream @param {Printer} printer */
function newest({ app }, { path, columns, stale_s }, printer) {
  const reading = newestOf(columns, app.store.stream(path).reading);
  const isLive = reading && app.connection.status.phase === 'live' && app.store.now() - reading.t <= stale_s;
  return isLive && typeof reading.value === 'number' ? printer.value(reading.value) : MISSING;
}

/** @param {import('./columns.js').Columns} columns @param {number} row @param {Printer} printer */
function valueAt(columns, row, printer) {
  return row < 0 || Number.isNaN(columns.mean[row]) ? MISSING : printer.value(columns.mean[row]);
}

/** Why a stream of the address is not drawn. @param {GraphModel} model @param {string} path */
function reasonOf({ loader }, path) {
  if (loader.problem) return 'not loaded';
  const descriptor = loader.descriptors.get(path);
  if (descriptor && !descriptor.isNumeric) return 'Holds words, not numbers: listed here, not drawn as a line in this version';
  if (loader.isMissing(path)) return 'There is no such stream';
  return loader.isLoading ? 'loading' : 'no readings in this range';
}
