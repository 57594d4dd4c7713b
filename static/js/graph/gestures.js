// @ts-check
/**
 * What hands do on the plot: drag to zoom, shift-drag to pan, wheel, double click, keys; on a touch screen one
 * finger moves the cursor and two zoom and pan.
 *
 * It knows pixels only and tells its owner; the trap: a drag of a few pixels is a click that trembled.
 */

const TREMBLE_PX = 5;
const WHEEL_STEP = 0.0015;
const KEY_PAN = 0.1;

/**
 * @typedef {object} Actions
 * @property {() => {left: number, top: number, width: number, height: number}} area of the plot within the element
 * @property {(from: number, to: number) => void} select a drag was ended, x in pixels
 * @property {(from: number, to: number) => void} selecting a drag goes on
 * @property {(fraction: number) => void} pan by a fraction of the range, positive towards later
 * @property {(factor: number, x: number) => void} zoom about a place
 * @property {(x: number | null) => void} point the cursor is here, or nowhere
 * @property {(steps: number) => void} step the cursor by so many pixels
 * @property {(x: number) => void} click a press that was no drag
 * @property {() => void} annotate at the cursor
 * @property {() => boolean} enter whether Enter meant something
 * @property {() => boolean} escape whether Escape meant something
 * @property {() => void} back
 * @property {() => void} live
 */

/**
 * @param {HTMLElement} element @param {Actions} actions
 * @returns {() => void} ends it
 */
export function watchGestures(element, actions) {
  const controller = new AbortController();
  const { signal } = controller;
  const hand = new Hand(element, actions);
  element.addEventListener('pointerdown', (event) => hand.down(event), { signal });
  element.addEventListener('pointermove', (event) => hand.move(event), { signal });
  element.addEventListener('pointerup', (event) => hand.up(event), { signal });
  element.addEventListener('pointercancel', (event) => hand.cancel(event), { signal });
  element.addEventListener('pointerleave', (event) => hand.leave(event), { signal });
  element.addEventListener('dblclick', () => actions.back(), { signal });
  element.addEventListener('wheel', (event) => wheel(event, element, actions), { signal, passive: false });
  element.addEventListener('keydown', (event) => key(event, hand, actions), { signal });
  return () => controller.abort();
}

class Hand {
  /** @type {Map<number, number>} x of each pointer that is down */
  #down = new Map();
  /** @type {{from: number, isPan: boolean} | null} */
  #drag = null;

  /** @param {HTMLElement} element @param {Actions} actions */
  constructor(element, actions) {
    this.element = element;
    this.actions = actions;
  }

  /** @param {PointerEvent | WheelEvent} event */
  x(event) {
    return event.clientX - this.element.getBoundingClientRect().left;
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (event.button !== 0) return;
    const x = this.x(event);
    this.#down.set(event.pointerId, x);
    capture(this.element, event.pointerId);
    if (event.pointerType === 'touch') {
      this.actions.point(this.#down.size === 1 ? x : null);
      return;
    }
    this.#drag = { from: x, isPan: event.shiftKey };
  }

  /** @param {PointerEvent} event */
  move(event) {
    const x = this.x(event);
    if (event.pointerType === 'touch') {
      this.#touch(event.pointerId, x);
    } else if (this.#drag?.isPan) {
      this.actions.pan((this.#drag.from - x) / this.actions.area().width);
      this.#drag.from = x;
    } else if (this.#drag) {
      this.actions.selecting(this.#drag.from, this.#inside(x));
      this.actions.point(this.#inside(x));
    } else {
      this.actions.point(x);
    }
  }

  /** @param {number} id @param {number} x */
  #touch(id, x) {
    if (!this.#down.has(id)) return;
    const before = [...this.#down.values()];
    this.#down.set(id, x);
    const after = [...this.#down.values()];
    if (after.length === 1) {
      this.actions.point(this.#inside(x));
    } else if (after.length === 2) {
      const [spread, spreadBefore] = [after, before].map(([a, b]) => Math.max(Math.abs(a - b), 10));
      const [middle, middleBefore] = [after, before].map(([a, b]) => (a + b) / 2);
      this.actions.zoom(spreadBefore / spread, middle);
      this.actions.pan((middleBefore - middle) / this.actions.area().width);
    }
  }

  /** @param {PointerEvent} event */
  up(event) {
    this.#down.delete(event.pointerId);
    const drag = this.#drag;
    this.#drag = null;
    const x = this.#inside(this.x(event));
    if (event.pointerType === 'touch' && this.#down.size === 0) this.actions.click(x);
    if (!drag || drag.isPan) return;
    if (Math.abs(x - drag.from) > TREMBLE_PX) return this.actions.select(Math.min(x, drag.from), Math.max(x, drag.from));
    this.actions.selecting(0, 0);
    this.actions.click(x);
  }

  /** @param {PointerEvent} [event] */
  cancel(event) {
    if (event) this.#down.delete(event.pointerId);
    this.#drag = null;
    this.actions.selecting(0, 0);
  }

  /** @param {PointerEvent} event */
  leave(event) {
    if (event.pointerType !== 'touch' && !this.#drag) this.actions.point(null);
  }

  /** @param {number} x */
  #inside(x) {
    const { left, width } = this.actions.area();
    return Math.min(Math.max(x, left), left + width);
  }
}

/** A pointer that is already gone cannot be captured. @param {HTMLElement} element @param {number} id */
function capture(element, id) {
  try {
    element.setPointerCapture(id);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

/** @param {WheelEvent} event @param {HTMLElement} element @param {Actions} actions */
function wheel(event, element, actions) {
  const { left, width } = actions.area();
  const x = event.clientX - element.getBoundingClientRect().left;
  if (x < left || x > left + width) return;
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  if (isSideways) actions.pan(((event.deltaX || event.deltaY) * lines) / width);
  else actions.zoom(Math.exp(event.deltaY * lines * WHEEL_STEP), x);
}

/** @param {KeyboardEvent} event @param {Hand} hand @param {Actions} actions */
function key(event, hand, actions) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { left, width } = actions.area();
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => (event.shiftKey ? actions.step(-1) : actions.pan(-KEY_PAN)),
    ArrowRight: () => (event.shiftKey ? actions.step(1) : actions.pan(KEY_PAN)),
    '+': () => actions.zoom(0.5, left + width / 2),
    '=': () => actions.zoom(0.5, left + width / 2),
    '-': () => actions.zoom(2, left + width / 2),
    Backspace: () => actions.back(),
    a: () => actions.annotate(),
    l: () => actions.live(),
    End: () => actions.live(),
    Escape: () => {
      if (actions.escape()) return;
      hand.cancel();
      actions.point(null);
    },
  };
  if (event.key === 'Enter' && actions.enter()) event.preventDefault();
  const action = keys[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}
