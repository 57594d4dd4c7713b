// @ts-check
/** Rendering a component again when the model of the graph says so. */

import { useLayoutEffect, useState } from '../vendor.js';

/** @typedef {import('./model.js').GraphModel} GraphModel */
/** @typedef {'view' | 'data' | 'draw' | 'cursor' | 'notes'} Kind */

/**
 * @param {GraphModel} model @param {Kind[]} kinds
 * @param {number} [least_ms] at most once in so many milliseconds, the last change always
 */
export function useModel(model, kinds, least_ms = 0) {
  const [, setTurn] = useState(0);
  useLayoutEffect(() => { // a plain effect comes after the picture, and what changed in between would not be shown
    /** @type {any} */
    let timer = 0;
    let last_ms = -Infinity;
    const show = () => {
      timer = 0;
      last_ms = performance.now();
      setTurn((turn) => turn + 1);
    };
    const changed = () => {
      if (timer) return;
      const wait_ms = last_ms + least_ms - performance.now();
      if (wait_ms <= 0) show();
      else timer = setTimeout(show, wait_ms);
    };
    const ends = kinds.map((kind) => model.on(kind, changed));
    return () => {
      clearTimeout(timer);
      for (const end of ends) end();
    };
  }, [model]);
}
