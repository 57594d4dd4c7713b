// @ts-check
/** Choosing the streams of a graph: searched and ticked, in a dialog or in place of an empty graph. */

import { Icon } from '../icons.js';
import { countText } from '../numbers.js';
import { byDevice, fetchStreams, search } from '../stream_list.js';
import { html, useEffect, useRef, useState } from '../vendor.js';
import { MAX_STREAMS } from './view.js';

/** @typedef {import('../stream_list.js').StreamEntry} StreamEntry */
/** @typedef {{selected: string[], onChange: (paths: string[]) => void, store: import('../store.js').Store}} Props */

/** Choices at first, besides those that are chosen: a browser takes seconds for thousands. */
const MOST = 100;

/** @param {Props} props */
export function StreamPicker({ selected, onChange, store }) {
  const [entries, setEntries] = useState(/** @type {StreamEntry[] | null} */ (null));
  const [problem, setProblem] = useState('');
  const [text, setText] = useState('');
  const [most, setMost] = useState(MOST);
  useEffect(() => {
    let isOver = false;
    fetchStreams(false).then(
      (found) => isOver || setEntries(found),
      (error) => isOver || setProblem(error.message),
    );
    return () => {
      isOver = true;
    };
  }, []);
  const found = search(entries ?? [], text);
  const shown = found.filter(({ path }, i) => i < most || selected.includes(path));
  const rest = found.length - shown.length;
  const toggle = (/** @type {string} */ path) => onChange(selected.includes(path) ? selected.filter((other) => other !== path) : [...selected, path]);
  return html`<div class="pick">
    <label class="field"><${Icon} name="search" /><span class="vh">Search streams</span>
      <input type="search" value=${text} placeholder="Search streams" onInput=${(/** @type {any} */ event) => setText(event.target.value)} /></label>
    ${problem && html`<p class="err" role="alert"><${Icon} name="warn" />Streams could not be listed: ${problem}</p>`}
    ${entries && found.length === 0 && html`<p class="mute">${entries.length ? 'No stream has all these words' : 'There are no streams yet'}</p>`}
    <div class="groups">${byDevice(shown).map(([device, group]) => html`<fieldset key=${device}>
      <legend>${store.devices.get(device)?.title ?? device}</legend>
      ${group.map((entry) => html`<${Choice} key=${entry.path} entry=${entry} isChosen=${selected.includes(entry.path)}
        isFull=${selected.length >= MAX_STREAMS} onToggle=${() => toggle(entry.path)} />`)}
    </fieldset>`)}</div>
    ${rest > 0 && html`<p class="mute">${countText(rest)} more: search for them, or <button type="button" class="btn small" onClick=${() => setMost(most + MOST)}>Show ${Math.min(MOST, rest)}</button></p>`}
  </div>`;
}

/** @param {{entry: StreamEntry, isChosen: boolean, isFull: boolean, onToggle: () => void}} props */
function Choice({ entry: { path, label, unit, isNumeric }, isChosen, isFull, onToggle }) {
  const isOff = !isNumeric || (isFull && !isChosen);
  return html`<label class=${`leg choice ${isOff ? 'off' : ''}`}><input type="checkbox" checked=${isChosen} disabled=${isOff} onChange=${onToggle} /><span class="box"></span>
    <span class="nm">${label}</span> <span class="dim path">${label === path ? '' : path}</span>
    <span class="dim end">${isNumeric ? unit : 'words, not drawn'}</span></label>`;
}

/** @param {Props & {isOpen: boolean, onClose: () => void}} props */
export function PickerDialog({ isOpen, onClose, selected, onChange, store }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (isOpen && dialog.current && !dialog.current.open) {
      dialog.current.showModal();
      if (matchMedia('(pointer: fine)').matches) dialog.current.querySelector('input')?.focus(); // a phone's keyboard would cover the list
    }
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  const outside = (/** @type {MouseEvent} */ event) => event.target === dialog.current && onClose();
  return html`<dialog class="card pickdlg" ref=${dialog} onCancel=${onClose} onClick=${outside} aria-label="Streams of the graph">
    ${isOpen && html`<div class="in"><header><h2>Streams</h2><span class="sub">${selected.length} of at most ${MAX_STREAMS}</span>
      <span class="end"><button type="button" class="btn small primary" onClick=${onClose}>Done</button></span></header>
      <${StreamPicker} selected=${selected} onChange=${onChange} store=${store} /></div>`}
  </dialog>`;
}
