// @ts-check
/**
 * Drawing that may wait: a little of it in each animation frame, so that a hundred sparklines never make one long task.
 */

const BUDGET_MS = 4;

export class DrawQueue {
  /** @type {Set<() => void>} in the order in which they were asked for */
  #waiting = new Set();
  #isDue = false;
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

  /** Draws soon, behind what was asked for before; asking twice draws once. @param {() => void} draw */
  ask(draw) {
    this.#waiting.add(draw);
    this.#goOn();
  }

  /** Draws no more. @param {() => void} draw */
  forget(draw) {
    this.#waiting.delete(draw);
  }

  #goOn() {
    if (this.#isDue || !this.#waiting.size) return;
    this.#isDue = true;
    this.#frame(() => this.#work());
  }

  #work() {
    const until = this.#clock() + BUDGET_MS;
    for (const draw of this.#waiting) {
      this.#waiting.delete(draw);
      draw();
      if (this.#clock() >= until) break;
    }
    this.#isDue = false;
    this.#goOn();
  }
}

/** The page's one queue. */
export const drawings = new DrawQueue();
