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

/**
 * @typedef {object} Painted what stands in an element, so that nothing is touched, nor even asked, that stays
 * @property {string} shape
 * @property {string} plain
 * @property {Text[]} runs
 * @property {Text | null} exponent
 * @property {Text | null} spoken
 */

/** @type {WeakMap<HTMLElement, Painted>} */
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
  let was = painted.get(element);
  if (was?.plain === face.plain) return;
  const shape = `${face.runs.map((run) => `${run.gap ? 'g' : ''}${run.low ? 'l' : ''}`).join()}|${face.exponent !== null}`;
  if (was?.shape !== shape) painted.set(element, (was = build(element, face, shape)));
  was.plain = face.plain;
  for (let i = 0; i < face.runs.length; i++) setData(was.runs[i], face.runs[i].text);
  if (was.exponent) setData(was.exponent, face.exponent ?? '');
  if (was.spoken) setData(was.spoken, face.plain);
}

/** @param {Text} node @param {string} text */
function setData(node, text) {
  if (node.data !== text) node.data = text;
}

/** The plain number of an element, null where there is none. @param {Element} element */
export function plainNumber(element) {
  return painted.get(/** @type {HTMLElement} */ (element))?.plain || null;
}

/** @param {HTMLElement} element @param {any} value */
function paintText(element, value) {
  const isMissing = value === null || value === undefined || typeof value === 'number';
  const plain = isMissing ? MISSING : typeof value === 'string' ? value : JSON.stringify(value);
  const shape = `text ${plain}`;
  if (painted.get(element)?.shape === shape) return;
  painted.set(element, { shape, plain, runs: [], exponent: null, spoken: null });
  if (isMissing) element.replaceChildren(...silently(document.createTextNode(MISSING), 'no value'));
  else if (plain === '') element.replaceChildren(...silently(document.createTextNode(MISSING), 'empty'));
  else element.textContent = plain;
}

/** What is drawn, and what is spoken in its place. @param {Node} drawn @param {string | Text} spoken */
function silently(drawn, spoken) {
  const [shown, said] = [document.createElement('span'), document.createElement('span')];
  shown.setAttribute('aria-hidden', 'true');
  shown.append(drawn);
  said.className = 'vh';
  said.append(spoken);
  return [shown, said];
}

/**
 * @param {HTMLElement} element
 * @param {import('./numbers.js').NumberFace} face
 * @param {string} shape
 * @returns {Painted}
 */
function build(element, face, shape) {
  const drawn = document.createElement('span');
  const runs = face.runs.map(({ gap, low }) => {
    const span = drawn.appendChild(document.createElement('span'));
    span.className = `${gap ? 'g' : ''}${gap && low ? ' ' : ''}${low ? 'lo' : ''}`;
    return span.appendChild(document.createTextNode(''));
  });
  if (face.exponent === null) {
    element.replaceChildren(drawn);
    return { shape, plain: '', runs, exponent: null, spoken: null };
  }
  const [times, power] = [document.createElement('span'), document.createElement('sup')];
  times.className = 'x';
  times.textContent = '×';
  const exponent = power.appendChild(document.createTextNode(''));
  const spoken = document.createTextNode('');
  drawn.append(times, '10', power);
  element.replaceChildren(...silently(drawn, spoken));
  return { shape, plain: '', runs, exponent, spoken };
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
    const text = plainText(selection.getRangeAt(0));
    if (text === null) return;
    event.clipboardData.setData('text/plain', text);
    event.preventDefault();
  });
}

/**
 * The text of a range with its numbers plain; null where it has none.
 * @param {Range} range
 */
function plainText(range) {
  const { commonAncestorContainer: node } = range;
  const around = node instanceof Element ? node : node.parentElement;
  const within = around?.closest('.num');
  if (within) return plainNumber(within); // a selection inside one number means that number
  const numbers = [...(around?.querySelectorAll('.num') ?? [])].filter((number) => range.intersectsNode(number));
  const fragment = range.cloneContents();
  const copies = fragment.querySelectorAll('.num');
  if (!copies.length || copies.length !== numbers.length) return null;
  copies.forEach((copy, i) => copy.replaceChildren(plainNumber(numbers[i]) ?? copy.textContent ?? ''));
  const box = document.createElement('div');
  box.className = 'copied';
  box.append(fragment);
  document.body.append(box); // innerText knows lines only of what is laid out
  const text = box.innerText;
  box.remove();
  return text;
}
