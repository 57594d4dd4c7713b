// @ts-check
/**
 * What a component listens to. It listens from the moment it is drawn (a layout effect): a plain effect runs after
 * the picture, which a busy browser puts off, and what came in between would never be shown.
 */

import { watchNear } from './in_view.js';
import { useLayoutEffect, useState } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */

/**
 * The connection's status.
 * @param {App} app
 */
export function useStatus({ connection }) {
  const [status, setStatus] = useState(connection.status);
  useLayoutEffect(() => connection.on('status', setStatus), [connection]);
  return status;
}

/**
 * Renders a component again twice a second: for ages and clocks.
 * @param {App} app
 * @param {boolean} [isSeen] else it stays as it is
 */
export function useTick({ store }, isSeen = true) {
  const [, setNow] = useState(0);
  useLayoutEffect(() => (isSeen ? store.on('tick', setNow) : undefined), [store, isSeen]);
}

/**
 * The devices; the component is rendered again when one changes.
 * @param {App} app
 * @returns {import('./shapes.js').Device[]}
 */
export function useDevices({ store }) {
  const [, setTurn] = useState(0);
  useLayoutEffect(() => store.on('devices', () => setTurn((value) => value + 1)), [store]);
  return [...store.devices.values()];
}

/**
 * What the store could not fetch, if anything.
 * @param {App} app
 */
export function useProblem({ store }) {
  const [problem, setProblem] = useState(store.problem);
  useLayoutEffect(() => store.on('problem', setProblem), [store]);
  return problem;
}

/**
 * Whether an element is in view, or nearly.
 * @param {{current: Element | null}} element
 */
export function useNear(element) {
  const [isNear, setNear] = useState(false);
  useLayoutEffect(() => (element.current ? watchNear(element.current, setNear) : undefined), []);
  return isNear;
}
