// @ts-check
/** The Graph page: streams over time, live or not. Its address describes what is shown. */

import { stylesheet } from './assets.js';
import { ConnectionBanner } from './banner.js';
import { AnnotationDialog, AnnotationList, MarkingHint } from './graph/annotation_form.js';
import { Actions } from './graph/actions.js';
import { AxisTitles } from './graph/axis_titles.js';
import { Canvas } from './graph/canvas.js';
import { useModel } from './graph/hooks.js';
import { GraphModel } from './graph/model.js';
import { PickerDialog, StreamPicker } from './graph/picker.js';
import { printerOf } from './graph/printer.js';
import { Readout } from './graph/readout.js';
import { StreamTable } from './graph/table.js';
import { Toolbar } from './graph/toolbar.js';
import { DEFAULT_RANGE, formatView, parseView } from './graph/view.js';
import { finenessText, rangeText, titleOf } from './graph/words.js';
import { Icon } from './icons.js';
import { html, useEffect, useMemo, useState } from './vendor.js';

/** @typedef {import('./graph/plot.js').Plot} Plot */
/** @typedef {import('./graph/extents.js').Drawn} Drawn */

await Promise.all(['controls', 'graph', 'annotations', 'picker'].map((name) => stylesheet(`/static/css/${name}.css`)));

export const title = () => 'Graph';

/** @param {import('./shapes.js').PageProps} props */
export default function GraphPage({ app, location }) {
  const model = useMemo(() => new GraphModel(app, parseView(String(location.query), app.store.now())), []);
  useEffect(() => {
    model.start();
    return () => model.stop();
  }, []);
  useEffect(() => {
    const view = parseView(String(location.query), model.now());
    if (formatView(view) !== formatView(model.view)) model.arrive(view);
  }, [location]);
  useModel(model, ['view', 'data']);
  const isEmpty = model.view.streams.length === 0;
  return html`<main class="gp" id="main"><${ConnectionBanner} app=${app} />${isEmpty ? html`<${Empty} model=${model} />` : html`<${Filled} model=${model} />`}</main>`;
}

/** @param {{model: GraphModel}} props */
function Empty({ model }) {
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const show = () => model.setView({ streams: chosen, range: DEFAULT_RANGE });
  return html`<div class="gh"><div class="ttl"><h1>Graph</h1><p class="mute">Choose the streams to draw.</p></div>
    <div class="acts"><button type="button" class="btn primary" disabled=${chosen.length === 0} onClick=${show}>
      <${Icon} name="graph" />${chosen.length ? `Draw ${chosen.length} ${chosen.length === 1 ? 'stream' : 'streams'}` : 'Draw'}</button></div></div>
    <section class="card" aria-label="Streams"><${StreamPicker} selected=${chosen} onChange=${setChosen} store=${model.app.store} /></section>`;
}

/** @param {{model: GraphModel}} props */
function Filled({ model }) {
  const [plot, setPlot] = useState(/** @type {Plot | null} */ (null));
  const [isPicking, setPicking] = useState(false);
  const printer = (/** @type {Drawn} */ stream) => printerOf(stream, plot?.axisOf(stream.path));
  const labels = model.view.streams.map((path) => model.loader.descriptors.get(path)?.label ?? path);
  const heading = titleOf(labels);
  const choose = (/** @type {string[]} */ streams) => model.setView({ streams }, 'replace');
  return html`
    <${Head} model=${model} title=${heading} plot=${plot} onPick=${() => setPicking(true)} />
    <section class="card gcard" aria-label="Graph">
      <${PlotBar} model=${model} plot=${plot} />
      <${Problem} model=${model} />
      <${MarkingHint} model=${model} />
      <${Titles} model=${model} plot=${plot} />
      <div class="pbox">
        <${Canvas} model=${model} label=${`Graph of ${heading}`} onPlot=${setPlot} />
        <${Nothing} model=${model} />
        ${plot && html`<${Readout} model=${model} plot=${plot} printer=${printer} />`}
      </div>
    </section>
    <${StreamTable} model=${model} printer=${printer} />
    <${AnnotationList} model=${model} />
    <${AnnotationDialog} model=${model} />
    <${PickerDialog} isOpen=${isPicking} onClose=${() => setPicking(false)} selected=${model.view.streams} onChange=${choose} store=${model.app.store} />`;
}

/** @param {{model: GraphModel, title: string, plot: Plot | null, onPick: () => void}} props */
function Head({ model, title: heading, plot, onPick }) {
  useModel(model, ['draw'], 500);
  const [start_s, end_s] = model.ends();
  const range = rangeText(start_s, model.view.range.live ? model.now() : end_s);
  const fineness = finenessText(model.drawn().flatMap(({ columns }) => (columns.length ? [columns] : [])));
  return html`<div class="gh"><div class="ttl"><h1>${heading}</h1><p class="mute">${range}${fineness && html` <span class="dim hide-s">· ${fineness}</span>`}</p></div>
    <${Actions} model=${model} plot=${plot} title=${heading} range=${range} onPick=${onPick} /></div>`;
}

/** @param {{model: GraphModel, plot: Plot | null}} props */
function PlotBar({ model, plot }) {
  useModel(model, ['view', 'draw'], 250);
  const isLog = model.view.log ?? plot?.axes.some(({ log }) => log) ?? false;
  return html`<${Toolbar} model=${model} isLog=${isLog} />`;
}

/** @param {{model: GraphModel, plot: Plot | null}} props */
function Titles({ model, plot }) {
  useModel(model, ['view', 'data', 'draw'], 100);
  return html`<${AxisTitles} axes=${plot?.axes ?? []} groups=${plot?.groups ?? []} shownAxes=${plot?.shownAxes ?? 0} />`;
}

/** What could not be fetched; the old picture stays. @param {{model: GraphModel}} props */
function Problem({ model: { loader } }) {
  if (!loader.problem) return null;
  return html`<p class="err gerr" role="alert"><${Icon} name="warn" />Not loaded: ${loader.problem.message}
    <button type="button" class="btn small" onClick=${() => loader.reload()}>Try again</button></p>`;
}

/** A plot without lines says why. @param {{model: GraphModel}} props */
function Nothing({ model }) {
  useModel(model, ['draw'], 250);
  const { loader } = model;
  if (loader.isLoading || loader.problem) return null;
  const drawn = model.drawn();
  const [start_s, end_s] = model.ends();
  if (drawn.some(({ columns }) => columns.hasRows(start_s, end_s))) return null;
  return html`<p class="nothing mute">${drawn.length ? 'No readings in this range' : 'No stream is shown'}</p>`;
}
