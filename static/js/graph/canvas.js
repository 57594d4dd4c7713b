// @ts-check
/** The plot on the page: it draws when the model says so, and tells the model what the hands do. */

import { onThemeChange } from '../theme.js';
import { html, loadUPlot, useEffect, useRef } from '../vendor.js';
import { watchGestures } from './gestures.js';
import { Flags } from './flags.js';
import { freshness, Overlay } from './overlay.js';
import { Plot } from './plot.js';
import { pan, spanOf, zoom } from './range.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */

const loading = loadUPlot();

/** @param {{model: GraphModel, label: string, onPlot: (plot: Plot) => void}} props */
export function Canvas({ model, label, onPlot }) {
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    const element = root.current;
    if (!element) return undefined;
    let end = () => {};
    let isOver = false;
    loading.then((uPlot) => {
      if (isOver) return;
      const plot = new Plot(uPlot, element, model.reasons);
      onPlot(plot);
      end = run(model, plot, element);
    });
    return () => {
      isOver = true;
      end();
    };
  }, [model]);
  return html`<div id="plot" ref=${root} tabindex="0" role="application" aria-roledescription="graph" aria-label=${label}
    aria-describedby="plot-keys"></div>
    <p class="vh" id="plot-keys">Arrow keys move the range, plus and minus zoom, Shift and arrow keys move the cursor, A writes an annotation there,
    Backspace goes back, L shows the live end. The table below gives the statistics of the visible range.</p>`;
}

/** @param {GraphModel} model @param {Plot} plot @param {HTMLElement} element */
function run(model, plot, element) {
  freshness.now = () => model.now();
  const overlay = new Overlay(element);
  const flags = new Flags(element, (one) => model.annotations.open(one));
  const draw = () => {
    const [start_s, end_s] = model.ends();
    const streams = model.drawn();
    plot.draw({ start_s, end_s, streams, band: model.view.band, log: model.view.log, now_s: model.now() });
    element.classList.toggle('is-marking', model.annotations.isMarking);
    flags.show(plot, model.shownAnnotations());
    overlay.showCursor(plot, streams, model.cursor_s);
    overlay.showEnds(plot, streams, model.view.range.live && model.app.connection.status.phase === 'live');
  };
  const measure = new ResizeObserver(() => {
    plot.resize();
    model.setWidth(plot.area.width || element.clientWidth);
    model.requestDraw();
  });
  measure.observe(element);
  const ends = [
    model.on('draw', draw),
    model.reasons.on('found', () => model.requestDraw()),
    model.on('cursor', () => overlay.showCursor(plot, model.drawn(), model.cursor_s)),
    onThemeChange(() => plot.recolour()),
    watchGestures(element, actionsOf(model, plot, overlay)),
    () => measure.disconnect(),
    () => overlay.root.remove(),
    () => flags.root.remove(),
    () => plot.destroy(),
  ];
  model.requestDraw();
  return () => ends.forEach((end) => end());
}

/** @param {GraphModel} model @param {Plot} plot @param {Overlay} overlay @returns {import('./gestures.js').Actions} */
function actionsOf(model, plot, overlay) {
  const isInside = (/** @type {number} */ x) => x >= plot.area.left && x <= plot.area.left + plot.area.width;
  return {
    area: () => plot.area,
    selecting: (from, to) => overlay.showSelection(plot, from, to),
    select: (from, to) => {
      overlay.showSelection(plot, 0, 0);
      if (model.annotations.isMarking) return model.annotate(plot.timeAt(from), plot.timeAt(to));
      return model.setView({ range: { live: false, start_s: plot.timeAt(from), end_s: plot.timeAt(to) } });
    },
    pan: (fraction) => model.setView({ range: pan(model.view.range, fraction, model.now()) }, 'burst'),
    zoom: (factor, x) => model.setView({ range: zoom(model.view.range, factor, plot.timeAt(x), model.now()) }, 'burst'),
    point: (x) => model.setCursor(x !== null && isInside(x) ? plot.timeAt(x) : null),
    step: (steps) => stepCursor(model, plot, steps),
    click: (x) => {
      if (model.annotations.isMarking) model.annotate(plot.timeAt(x));
    },
    annotate: () => model.annotate(),
    enter: () => {
      const isMarking = model.annotations.isMarking;
      if (isMarking) model.annotate();
      return isMarking;
    },
    escape: () => {
      const isMarking = model.annotations.isMarking;
      if (isMarking) model.annotations.mark(false);
      return isMarking;
    },
    back: () => model.back(),
    live: () => model.setView({ range: { live: true, span_s: spanOf(model.view.range, model.now()) } }),
  };
}

/** @param {GraphModel} model @param {Plot} plot @param {number} steps of two pixels */
function stepCursor(model, plot, steps) {
  const { left, width } = plot.area;
  const x = model.cursor_s === null ? left + width / 2 : plot.xAt(model.cursor_s);
  model.setCursor(plot.timeAt(Math.min(Math.max(x + steps * 2, left), left + width)));
}
