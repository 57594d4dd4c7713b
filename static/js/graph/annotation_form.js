// @ts-check
/** Writing on the graph: text, when, and on which graphs; to be changed and taken away again. */

import { formatMoment } from '../ages.js';
import { useSettled } from '../answers.js';
import { useStatus } from '../hooks.js';
import { Icon } from '../icons.js';
import { roleObstacle } from '../roles.js';
import { html, useEffect, useRef, useState } from '../vendor.js';
import { useModel } from './hooks.js';
import { parseTime } from './range.js';
import { fieldText } from './words.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */
/** @typedef {import('./annotations.js').Draft} Draft */

const MAX_TEXT = 1000;
/** So short that times in the fields have milliseconds. */
const FINE_S = 1;

/** @param {{model: GraphModel}} props */
export function AnnotationDialog({ model }) {
  useModel(model, ['notes']);
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const { draft } = model.annotations;
  useEffect(() => {
    if (draft && dialog.current && !dialog.current.open) dialog.current.showModal();
    if (!draft && dialog.current?.open) dialog.current.close();
  }, [draft]);
  const close = () => model.annotations.open(null);
  return html`<dialog class="card notedlg" ref=${dialog} onCancel=${close} aria-label=${draft?.id ? 'Change the annotation' : 'New annotation'}>
    ${draft && html`<${Form} key=${draft.id ?? 'new'} model=${model} draft=${draft} onClose=${close} />`}</dialog>`;
}

/** @param {{model: GraphModel, draft: Draft, onClose: () => void}} props */
function Form({ model, draft, onClose }) {
  const said = useRef(timesOf(draft, model.now())).current;
  const [text, setText] = useState(draft.text);
  const [times, setTimes] = useState(said);
  const [isOnAll, setOnAll] = useState(draft.streams.length === 0);
  const [isSure, setSure] = useState(false);
  const [state, setState] = useState({ isBusy: false, problem: '' });
  const obstacle = roleObstacle(useStatus(model.app));
  const isObstructed = obstacle !== '' || state.isBusy;
  const isSettled = useSettled(String(isSure));
  const send = async (/** @type {() => Promise<void>} */ work) => {
    setState({ isBusy: true, problem: '' });
    try {
      await work();
    } catch (error) {
      setState({ isBusy: false, problem: /** @type {Error} */ (error).message });
    }
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isObstructed || text.trim() === '') return undefined;
    const start = times.from === said.from ? draft.start : parseTime(times.from, model.now());
    const end = times.to.trim() === '' ? null : times.to === said.to ? draft.end : parseTime(times.to, model.now());
    if (start === null || (end === null && times.to.trim() !== '')) return setState({ isBusy: false, problem: 'A time is like 14:41:13, 2026-11-22 14:41 or -10m' });
    const streams = isOnAll ? [] : draft.streams.length ? draft.streams : model.view.streams;
    return send(() => model.annotations.save({ ...draft, text, start, end, streams }));
  };
  const remove = () => (isSure ? send(() => model.annotations.remove(/** @type {string} */ (draft.id))) : setSure(true));
  const field = (/** @type {'from' | 'to'} */ name, /** @type {string} */ label, hint = '') => html`<div class="fr"><label for=${`note-${name}`}>${label}</label>
    <div class="field"><input id=${`note-${name}`} readonly=${obstacle !== ''} value=${times[name]} placeholder=${hint} autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ event) => setTimes({ ...times, [name]: event.target.value })} /></div></div>`;
  return html`<form onSubmit=${save}>
    <header><h2>${draft.id ? 'Annotation' : 'New annotation'}</h2><span class="sub">${authorOf(draft)}</span></header>
    <div class="in"><label class="vh" for="note-text">Text</label>
      <div class="field area"><textarea id="note-text" rows="3" readonly=${obstacle !== ''} maxlength=${MAX_TEXT} value=${text} placeholder="What happened" onInput=${(/** @type {any} */ event) => setText(event.target.value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Enter' && (event.ctrlKey || event.metaKey) && save(event)}></textarea></div>
      <div class="two">${field('from', 'From')}${field('to', 'To', 'one moment')}</div>
      <label class="leg"><input type="checkbox" checked=${isOnAll} disabled=${obstacle !== ''} onChange=${() => setOnAll(!isOnAll)} /><span class="box"></span>On all graphs, not only of ${streamsText(model, draft)}</label>
      ${obstacle && html`<p class="mute" id="note-obstacle">${obstacle}</p>`}
      ${state.problem && html`<p class="err" role="alert"><${Icon} name="warn" />${state.problem}</p>`}
    </div>
    <footer>${draft.id && html`<button type="button" class="btn del" disabled=${isObstructed || !isSettled} aria-describedby=${obstacle ? 'note-obstacle' : undefined} onClick=${remove}>${isSure ? 'Really delete' : 'Delete'}</button>`}
      <span class="end"><button type="button" class="btn" onClick=${onClose}>${obstacle ? 'Close' : 'Cancel'}</button><button type="submit" class="btn primary" disabled=${isObstructed || text.trim() === ''} aria-describedby=${obstacle ? 'note-obstacle' : undefined}>Save</button></span></footer>
  </form>`;
}

/** @param {Draft} draft @param {number} now_s */
function timesOf({ start, end }, now_s) {
  return { from: fieldText(start, now_s, FINE_S), to: end === null ? '' : fieldText(end, now_s, FINE_S) };
}

/** @param {Draft} draft */
function authorOf({ id, who, changed_by }) {
  if (!id) return '';
  return who === changed_by ? `by ${who}` : `by ${who}, changed by ${changed_by}`;
}

/** @param {GraphModel} model @param {{streams: string[]}} of */
function streamsText(model, { streams }) {
  const paths = streams.length ? streams : model.view.streams;
  const labels = paths.map((path) => model.loader.descriptors.get(path)?.label ?? path);
  return labels.length > 2 ? `${labels[0]} and ${labels.length - 1} more` : labels.join(' and ');
}

/** Those in the visible range, below the plot. @param {{model: GraphModel}} props */
export function AnnotationList({ model }) {
  useModel(model, ['notes', 'view', 'draw'], 250);
  const obstacle = roleObstacle(useStatus(model.app));
  const found = model.shownAnnotations();
  if (found.length === 0) return null;
  const now_s = model.now();
  return html`<section class="card notes" aria-label="Annotations"><table>
    <thead><tr><th scope="col">Annotation</th><th scope="col">From</th><th scope="col">To</th><th scope="col">On</th><th scope="col">By</th><th scope="col"><span class="vh">Change</span></th></tr></thead>
    <tbody>${found.map((one) => html`<tr key=${one.id}><td class="tx">${one.text}</td><td class="mute tm">${formatMoment(one.start, now_s)}</td>
      <td class="mute tm">${one.end === null ? '' : formatMoment(one.end, now_s)}</td><td class="mute on">${one.streams.length ? streamsText(model, one) : 'all graphs'}</td><td class="mute by">${one.who}</td>
      <td class="n"><button type="button" class="btn small" onClick=${() => model.annotations.open(one)}>${obstacle ? 'Open' : 'Edit'}</button></td></tr>`)}</tbody></table></section>`;
}

/** What to do now, while a place on the plot is awaited. @param {{model: GraphModel}} props */
export function MarkingHint({ model }) {
  useModel(model, ['notes']);
  const obstacle = roleObstacle(useStatus(model.app));
  const { isMarking, isRefused } = model.annotations;
  if (!isMarking && !(isRefused && obstacle)) return null;
  const words = isMarking ? html`<b>Click on the graph,</b> or drag over a range. <span class="hide-s">Enter takes the cursor.</span>` : obstacle;
  return html`<p class="marking" role="status"><${Icon} name="flag" /><span>${words}</span>
    <button type="button" class="btn small" onClick=${() => model.annotations.mark(false)}>${isMarking ? 'Cancel' : 'Close'}</button></p>`;
}
