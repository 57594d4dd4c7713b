// @ts-check
/**
 * Yes or no, before what is not taken back. The trap: a double click, or a key that is held down, must not answer with
 * yes, so `No` has the focus, and yes waits until a person can have read the question.
 */

import { html, useLayoutEffect, useRef, useState } from './vendor.js';

/** Longer than a double click takes. */
const SETTLE_MS = 600;

/**
 * Whether something has stood for so long that a click is meant for it, and not for what was there before.
 *
 * @param {string} what
 */
export function useSettled(what) {
  const [settled, setSettled] = useState('');
  useLayoutEffect(() => {
    const timer = setTimeout(() => setSettled(what), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [what]);
  return settled === what;
}

/**
 * The two buttons, within a form: yes submits it. Escape is no.
 *
 * @param {{yes: string, isObstructed: boolean, onNo: () => void}} props
 */
export function Answers({ yes, isObstructed, onNo }) {
  const no = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const isSettled = useSettled(yes);
  useLayoutEffect(() => no.current?.focus(), []);
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape') onNo();
  };
  return html`<div class="run1" key="answers" onKeyDown=${leave}><button ref=${no} type="button" class="btn" onClick=${onNo}>No</button>
    <button type="submit" class="btn primary" disabled=${isObstructed || !isSettled}>${yes}</button></div>`;
}
