// @ts-check
/** A list of listeners for each kind of event. */

/** @template {Record<string, any>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(event: any) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} K
   * @param {K} kind
   * @param {(event: Events[K]) => void} listener
   * @returns {() => void} stops listening
   */
  on(kind, listener) {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  /**
   * @template {keyof Events} K
   * @param {K} kind
   * @param {Events[K]} event
   */
  emit(kind, event) {
    for (const listener of [...(this.#listeners.get(kind) ?? [])]) listener(event);
  }
}
