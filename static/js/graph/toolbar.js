// @ts-check
/** The range of the graph by button or typed, and what is drawn: band, logarithmic axes, live. */

import { Icon } from '../icons.js';
import { html, useEffect, useState } from '../vendor.js';
import { useModel } from './hooks.js';
import { parseRange, PRESETS, resolve, spanOf } from './range.js';
import { fieldText } from './words.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */

/** @param {{model: GraphModel, isLog: boolean}} props */
export function Toolbar({ model, isLog }) {
  useModel(model, ['view']);
  const { range, band } = model.view;
  const toLive = () => model.setView({ range: { live: true, span_s: spanOf(range, model.now()) } });
  const hold = () => {
    const [start_s, end_s] = resolve(range, model.now());
    model.setView({ range: { live: false, start_s, end_s } });
  };
  return html`<div class="gbar">
    <div class="seg presets fade" role="group" aria-label="Range">${PRESETS.map(({ word, span_s }) => html`
      <button type="button" aria-pressed=${String(Math.abs(spanOf(range, model.now()) - span_s) < 1e-3)}
        onClick=${() => model.setView({ range: { live: true, span_s } })}>${word}</button>`)}
    </div>
    <${RangeFields} model=${model} />
    <div class="end">
      <button type="button" class="btn small tog" aria-pressed=${String(band)} onClick=${() => model.setView({ band: !band }, 'replace')}>
        <span class="band-ic"></span><span class="hide-s">Min–max band</span><span class="only-s">Band</span></button>
      <button type="button" class="btn small tog" aria-pressed=${String(isLog)} onClick=${() => model.setView({ log: !isLog }, 'replace')}>
        <span>Log<span class="hide-s"> scale</span></span></button>
      <button type="button" class="btn small tog live" aria-pressed=${String(range.live)} onClick=${range.live ? hold : toLive}>
        <span class="ld"></span><span>Live<span class="hide-s">${range.live ? ', following' : ''}</span></span></button>
    </div>
  </div>`;
}

/** @param {{model: GraphModel}} props */
function RangeFields({ model }) {
  useModel(model, ['draw'], 500);
  const [typed, setTyped] = useState(/** @type {{from: string, to: string, isEdited: boolean} | null} */ (null));
  const [wrong, setWrong] = useState(/** @type {{field: 'from' | 'to', message: string} | null} */ (null));
  const { range } = model.view;
  const now_s = model.now();
  const [start_s, end_s] = resolve(range, now_s);
  const shown = {
    from: fieldText(start_s, now_s, end_s - start_s),
    to: range.live ? 'now' : fieldText(end_s, now_s, end_s - start_s),
  };
  const reset = () => {
    setTyped(null);
    setWrong(null);
  };
  useEffect(reset, [range]); // chosen otherwise: what was typed before, right or wrong, is over
  const apply = () => {
    if (!typed?.isEdited) return reset(); // only looked at: a live range must not become another by that
    const parsed = parseRange(typed.from, typed.to, model.now());
    if ('field' in parsed) return setWrong(parsed);
    reset();
    return model.setView({ range: parsed.range });
  };
  const field = (/** @type {'from' | 'to'} */ name, /** @type {string} */ label) => html`
    <label class=${`field ${wrong?.field === name ? 'bad' : ''} ${shown[name].length > 8 ? 'long' : ''}`}><span class="vh">${label}</span>
      <input size="8" value=${typed?.[name] ?? shown[name]} spellcheck=${false} autocomplete="off" aria-invalid=${wrong?.field === name ? 'true' : undefined}
        aria-describedby=${wrong?.field === name ? 'range-error' : undefined}
        onFocus=${() => setTyped(typed ?? { ...shown, isEdited: false })} onInput=${(/** @type {any} */ event) => setTyped({ ...(typed ?? shown), isEdited: true, [name]: event.target.value })}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => (event.key === 'Enter' ? apply() : event.key === 'Escape' && reset())} /></label>`;
  const left = (/** @type {FocusEvent & {currentTarget: HTMLElement}} */ event) => {
    if (!event.currentTarget.contains(/** @type {Node | null} */ (event.relatedTarget))) apply();
  };
  return html`<div class="rng" onfocusout=${left}>${field('from', 'From')}<span class="dim">to</span>${field('to', 'To')}
    ${wrong && html`<p class="err" id="range-error" role="alert"><${Icon} name="warn" />${wrong.message}</p>`}</div>`;
}
