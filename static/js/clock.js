// @ts-check
/**
 * The server's clock as seen from here. A message is never early, so of the last half minute the one with the least
 * delay tells best; the viewer's own clock may be wrong by hours and no age suffers.
 */

const WINDOW_S = 30;

export class ServerClock {
  /** @type {{local: number, offset: number}[]} newest last, offsets falling */
  #seen = [];
  #local;

  /** @param {() => number} local this machine's Unix time in seconds */
  constructor(local = () => Date.now() / 1000) {
    this.#local = local;
  }

  /** Forget what was seen: the connection is a new one. */
  reset() {
    this.#seen = [];
  }

  /** @param {number} sent when the server sent what has just arrived, Unix seconds by its clock */
  observe(sent) {
    const local = this.#local();
    const offset = sent - local;
    while (this.#seen.length && this.#seen[this.#seen.length - 1].offset <= offset) this.#seen.pop();
    this.#seen.push({ local, offset });
    while (this.#seen.length > 1 && Math.abs(local - this.#seen[0].local) > WINDOW_S) this.#seen.shift();
  }

  /** @returns {number} the server's Unix time in seconds */
  now() {
    return this.#local() + (this.#seen[0]?.offset ?? 0);
  }
}
