// @ts-check
/**
 * Drawing that may wait: a little of it in each animation frame, so that a hundred sparklines never make one long task.
 */

const BUDGET_MS = 4;

export class DrawQueue {
  /** @type {Set<() => void>} in the order in which they were asked for */
  #waiting = new Set();
  #frame;
  #clock;

  /**
   * @param {(callback: () => void) => void} [frame]
   * @param {() => number} [clock] milliseconds
   */
  constructor(frame = (callback) => requestAnimationFrame(callback), clock = () => performance.now()) {
    this.#frame = frame;
    this.#clock = clock;
  }

  /** Draws soon; asking twice draws once. @param {() => void} draw */
  ask(draw) {
    if (!this.#waiting.size) this.#frame(() => this.#work());
    this.#waiting.add(draw);
  }

  /** Draws no more. @param {() => void} draw */
  forget(draw) {
    this.#waiting.delete(draw);
  }

  #work() {
    const until = this.#clock() + BUDGET_MS;
    for (const draw of this.#waiting) {
      this.#waiting.delete(draw);
      draw();
      if (this.#clock() >= until) break;
    }
    if (this.#waiting.size) this.#frame(() => this.#work());
  }
}

/** The page's one queue. */
export const drawings = new DrawQueue();
