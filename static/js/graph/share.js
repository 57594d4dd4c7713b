// @ts-check
/** Taking the graph away: its address, a picture, a table of numbers. */

import { isSimulated } from '../states.js';
import { csvOf } from './csv.js';
import { rowFor } from './flags.js';
import { faded, inks } from './ink.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */
/** @typedef {import('./plot.js').Plot} Plot */

/** @param {GraphModel} model @param {(stream: import('./extents.js').Drawn) => string} unitOf */
export function saveCsv(model, unitOf) {
  const [start_s, end_s] = model.ends();
  const streams = model.drawn().map((stream) => ({ columns: stream.columns, unit: unitOf(stream) }));
  save(new Blob([csvOf(streams, start_s, end_s)], { type: 'text/csv' }), `${fileName(model)}.csv`);
}

/** @param {GraphModel} model @param {Plot} plot @param {string} title @param {string} range @param {string[]} axisTitles */
export async function savePng(model, plot, title, range, axisTitles) {
  const { canvas } = plot;
  if (!canvas) return;
  const notes = model.shownAnnotations().map(({ start, end, text }) => ({ from: plot.xAt(start), to: plot.xAt(end ?? start), text }));
  const picture = draw(canvas, { title, range, axisTitles, notes, area: plot.area, streams: model.drawn().map((stream) => ({ ...stream, label: saidLabel(model, stream) })) });
  const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) => picture.toBlob(resolve, 'image/png'));
  if (blob) save(blob, `${fileName(model)}.png`);
}

/** A picture goes where no page stands beside it. @param {GraphModel} model @param {import('./extents.js').Drawn} stream */
function saidLabel({ app }, { path, label }) {
  const { reading } = app.store.stream(path);
  return reading && isSimulated(reading.quality) ? `${label} (simulated)` : label;
}

/** @typedef {{from: number, to: number, text: string}} Note */

const HEAD_PX = 84;
const EDGE_PX = 16;

/**
 * @param {HTMLCanvasElement} plot
 * @param {{title: string, range: string, axisTitles: string[], streams: import('./extents.js').Drawn[], notes: Note[], area: Plot['area']}} words
 */
function draw(plot, { title, range, axisTitles, streams, notes, area }) {
  const scale = devicePixelRatio || 1;
  const ink = inks(streams.map(({ pen }) => pen.colour));
  const picture = document.createElement('canvas');
  picture.width = plot.width;
  picture.height = plot.height + HEAD_PX * scale;
  const ctx = /** @type {CanvasRenderingContext2D} */ (picture.getContext('2d'));
  const font = ink.font.replace('12px ', '');
  ctx.fillStyle = ink.surface;
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.drawImage(plot, 0, HEAD_PX * scale);
  ctx.scale(scale, scale);
  const width = picture.width / scale;
  write(ctx, title, EDGE_PX, 26, `600 17px ${font}`, ink.text);
  write(ctx, range, EDGE_PX, 46, `13px ${font}`, ink.label);
  annotate(ctx, notes, area, ink, `600 12px ${font}`);
  legend(ctx, streams, ink, font, width);
  write(ctx, axisTitles[0] ?? '', EDGE_PX, 78, `12px ${font}`, ink.label);
  ctx.textAlign = 'right';
  write(ctx, axisTitles.slice(1).join(', '), width - EDGE_PX, 78, `12px ${font}`, ink.label);
  return picture;
}

/** @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} x @param {number} y @param {string} font @param {string} colour */
function write(ctx, text, x, y, font, colour) {
  ctx.font = font;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

/** What is written on the graph, each a little lower than the one before. @param {CanvasRenderingContext2D} ctx @param {Note[]} notes @param {Plot['area']} area @param {import('./ink.js').Ink} ink @param {string} font */
function annotate(ctx, notes, { left, top, width, height }, ink, font) {
  /** @type {number[]} */
  const free = [];
  ctx.font = font;
  ctx.strokeStyle = ink.text;
  ctx.lineWidth = 1.5;
  ctx.setLineDash([1.5, 2.5]);
  for (const { from, to, text } of notes) {
    const [first, last] = [Math.max(from, left), Math.min(to, left + width)];
    ctx.fillStyle = faded(ink.text, 0.06);
    ctx.fillRect(first, HEAD_PX + top, last - first, height);
    for (const x of new Set([from, to])) {
      if (x < left || x > left + width) continue;
      ctx.beginPath();
      ctx.moveTo(x, HEAD_PX + top);
      ctx.lineTo(x, HEAD_PX + top + height);
      ctx.stroke();
    }
    const [line] = text.split('\n');
    const room = ctx.measureText(line).width + 10;
    const at = Math.max(left, Math.min(first, left + width - room));
    write(ctx, line, at + 5, HEAD_PX + top + 16 + 18 * rowFor(free, at, room), font, ink.text);
  }
  ctx.setLineDash([]);
}

/** From the right, as many as there is room for. @param {CanvasRenderingContext2D} ctx @param {import('./extents.js').Drawn[]} streams @param {import('./ink.js').Ink} ink @param {string} font @param {number} width */
function legend(ctx, streams, ink, font, width) {
  let x = width - EDGE_PX;
  ctx.font = `13px ${font}`;
  for (const { label, pen } of [...streams].reverse()) {
    const room = ctx.measureText(label).width + 44;
    if (x - room < width / 2) return;
    x -= room;
    ctx.strokeStyle = ink.pens[pen.colour];
    ctx.lineWidth = 2.5;
    ctx.setLineDash(pen.dash);
    ctx.beginPath();
    ctx.moveTo(x, 22);
    ctx.lineTo(x + 20, 22);
    ctx.stroke();
    write(ctx, label, x + 28, 26, `13px ${font}`, ink.text);
  }
  ctx.setLineDash([]);
}

/** @param {GraphModel} model */
function fileName(model) {
  const [start_s] = model.ends();
  const first = (model.view.streams[0] ?? 'graph').replace(/[^\w.-]+/g, '_');
  return `${first}_${new Date(start_s * 1000).toISOString().slice(0, 19).replaceAll(':', '')}Z`;
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Copies a text; without a secure context the old way. @param {string} text @returns {Promise<boolean>} */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // no clipboard over plain http, or not permitted
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'vh';
  document.body.append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  return isDone;
}
