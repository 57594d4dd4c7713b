// @ts-check
/**
 * Numbers on the page, as numbers.js writes them: for Preact as `Digits`, for tiles that change ten times a second as
 * `paintDigits`. Copying gives the plain number, whatever is drawn.
 */

import { MISSING, numberFace } from './numbers.js';
import { html, useLayoutEffect, useRef } from './vendor.js';

/** @typedef {import('./numbers.js').Format} Format */

/**
 * A value with its unit, as on every page.
 * @param {{value: any, channel: Format & {unit: string}, prefix?: string}} props prefix: `>` or `<`
 */
export function Value({ value, channel, prefix = '' }) {
  const isMissing = value === null || value === undefined;
  return html`${prefix && `${prefix} `}<${Digits} value=${value} format=${channel} />${
    channel.unit && !isMissing && html`<span class="unit">${channel.unit}</span>`}`;
}

/**
 * A number; words of nominal channels as they are, `–` where there is none.
 * @param {{value: any, format: Format}} props
 */
export function Digits({ value, format }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (element.current) paintDigits(element.current, value, format);
  });
  return html`<span ref=${element} class="num"></span>`;
}

/** What stands in an element, so that nothing is touched that stays. @type {WeakMap<HTMLElement, string>} */
const painted = new WeakMap();

/**
 * Writes a value into an element of class `num`; touches the page only where digits have changed.
 * @param {HTMLElement} element
 * @param {any} value
 * @param {Format} format
 */
export function paintDigits(element, value, format) {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    paintText(element, value);
    return;
  }
  const face = numberFace(value, format);
  const shape = `${face.runs.map((run) => `${run.gap ? 'g' : ''}${run.low ? 'l' : ''}`).join()}|${face.exponent !== null}`;
  if (painted.get(element) !== shape) {
    build(element, face);
    painted.set(element, shape);
  }
  const spans = element.querySelectorAll('[data-run]');
  face.runs.forEach((run, i) => setText(spans[i], run.text));
  if (face.exponent !== null) setText(/** @type {Element} */ (element.querySelector('sup')), face.exponent);
  if (element.dataset.plain !== face.plain) {
    element.dataset.plain = face.plain;
    const spoken = element.querySelector('.vh');
    if (spoken) setText(spoken, face.plain);
  }
}

/** @param {HTMLElement} element @param {any} value */
function paintText(element, value) {
  const isMissing = value === null || value === undefined || typeof value === 'number';
  const text = isMissing ? MISSING : typeof value === 'string' ? value : JSON.stringify(value);
  if (painted.get(element) === `text ${text}`) return;
  painted.set(element, `text ${text}`);
  element.textContent = text;
  delete element.dataset.plain;
  if (isMissing) element.setAttribute('aria-label', 'no value');
  else element.removeAttribute('aria-label');
}

/** @param {HTMLElement} element @param {import('./numbers.js').NumberFace} face */
function build(element, face) {
  element.removeAttribute('aria-label');
  const drawn = document.createElement('span');
  for (const { gap, low } of face.runs) {
    const span = drawn.appendChild(document.createElement('span'));
    span.dataset.run = '';
    if (gap) span.classList.add('g');
    if (low) span.classList.add('lo');
  }
  if (face.exponent === null) {
    element.replaceChildren(drawn);
    return;
  }
  const times = document.createElement('span');
  times.className = 'x';
  times.textContent = '×';
  drawn.append(times, '10', document.createElement('sup'));
  drawn.setAttribute('aria-hidden', 'true');
  const spoken = document.createElement('span');
  spoken.className = 'vh';
  element.replaceChildren(drawn, spoken);
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes copies of the page hold plain numbers: `384.230484468`, `2.31e-9`, `-1.36`. */
export function keepCopiesPlain() {
  document.addEventListener('copy', (event) => {
    const selection = getSelection();
    if (!selection?.rangeCount || !event.clipboardData) return;
    const fragment = selection.getRangeAt(0).cloneContents();
    const text = fragment.querySelector('.num[data-plain]') ? plainText(fragment) : withinNumber(selection);
    if (text === null) return;
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
  });
}

/** @param {DocumentFragment} fragment */
function plainText(fragment) {
  for (const number of fragment.querySelectorAll('.num[data-plain]')) {
    number.replaceChildren(/** @type {HTMLElement} */ (number).dataset.plain ?? '');
  }
  const box = document.createElement('div');
  box.className = 'copied';
  box.append(fragment);
  document.body.append(box); // innerText knows lines only of what is laid out
  const text = box.innerText;
  box.remove();
  return text;
}

/** A selection inside one number means that number. @param {Selection} selection */
function withinNumber(selection) {
  const { commonAncestorContainer: node } = selection.getRangeAt(0);
  const element = node instanceof Element ? node : node.parentElement;
  const number = /** @type {HTMLElement | null} */ (element?.closest('.num[data-plain]') ?? null);
  return number?.dataset.plain ?? null;
}
