// @ts-check
/**
 * Which elements are in view, or will be with the next turn of the wheel: the others need not be painted.
 * The trap: an element is told of one frame after it came; what it shows until then must not be what was true before.
 */

/** A screen above and below. */
const MARGIN = '100% 0px';

/** @type {WeakMap<Element, (isNear: boolean) => void>} */
const listeners = new WeakMap();
/** @type {IntersectionObserver | null} one for the page: thousands of elements are as cheap as one */
let observer = null;

/** @param {IntersectionObserverEntry[]} entries in order, of an element perhaps several */
function tell(entries) {
  for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting);
}

/**
 * Tells whether an element is near, soon after and whenever that changes.
 * @param {Element} element
 * @param {(isNear: boolean) => void} listener
 * @returns {() => void} stops that
 */
export function watchNear(element, listener) {
  observer ??= new IntersectionObserver(tell, { rootMargin: MARGIN });
  listeners.set(element, listener);
  observer.observe(element);
  return () => {
    listeners.delete(element);
    observer?.unobserve(element);
  };
}
