// @ts-check
/**
 * Which colour and dash a stream has: the first free one when it comes, kept as long as it is on the page.
 *
 * The trap: colours must not move when a stream in the middle is removed.
 */

const COLOURS = 6;
const DASHES = [[], [], [7, 5], [7, 5], [2, 4], [2, 4]];
const LATER_DASH = [9, 4, 2, 4];

/** @typedef {{slot: number, colour: string, dash: number[]}} Pen `colour` is the name of a token: `s1` */

export class Palette {
  /** @type {Map<string, number>} */
  #slots = new Map();

  /** Takes the colours of streams that are gone back and gives the new ones theirs. @param {string[]} paths */
  assign(paths) {
    for (const path of this.#slots.keys()) if (!paths.includes(path)) this.#slots.delete(path);
    const taken = new Set(this.#slots.values());
    for (const path of paths) {
      if (this.#slots.has(path)) continue;
      let slot = 0;
      while (taken.has(slot)) slot += 1;
      taken.add(slot);
      this.#slots.set(path, slot);
    }
  }

  /** @param {string} path @returns {Pen} */
  pen(path) {
    const slot = this.#slots.get(path) ?? 0;
    return { slot, colour: `s${(slot % COLOURS) + 1}`, dash: slot < COLOURS ? DASHES[slot] : LATER_DASH };
  }
}
