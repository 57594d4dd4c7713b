// @ts-check
/** What `/metrics` says, read from Prometheus' text format. Only counters, gauges and buckets as labmon writes them. */

/** @typedef {{labels: Record<string, string>, value: number}} Sample */

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
/** @type {Record<string, string>} */
const ESCAPED = { n: '\n' };

/** One look at the server's counters. There are two for each stream, which may be thousands: what nobody asks for is not taken apart. */
export class Telemetry {
  /** Labels and values, as they are written. @type {Map<string, [inside: string, value: string][]>} */
  #families = new Map();
  /** @type {Map<string, Sample[]>} */
  #samples = new Map();

  /**
   * @param {string} text
   * @param {number} at Unix seconds at which it was read, for rates
   */
  constructor(text, at) {
    this.at = at;
    for (const line of text.split('\n')) {
      const found = LINE.exec(line);
      if (!found) continue;
      const [, name, inside = '', value] = found;
      const family = this.#families.get(name);
      if (family) family.push([inside, value]);
      else this.#families.set(name, [[inside, value]]);
    }
  }

  /** All samples of a family. @param {string} name */
  all(name) {
    let samples = this.#samples.get(name);
    if (!samples) this.#samples.set(name, (samples = (this.#families.get(name) ?? []).map(sampleOf)));
    return samples;
  }

  /**
   * One value, null where it is not told.
   * @param {string} name
   * @param {Record<string, string>} [labels]
   */
  value(name, labels = {}) {
    const fits = (/** @type {Sample} */ sample) => Object.entries(labels).every(([key, word]) => sample.labels[key] === word);
    return this.all(name).find(fits)?.value ?? null;
  }

  /**
   * How fast a counter runs since an earlier look, a second; null where that cannot be told.
   * @param {Telemetry | null} before
   * @param {string} name
   * @param {Record<string, string>} [labels]
   */
  rate(before, name, labels = {}) {
    const [now, then] = [this.value(name, labels), before?.value(name, labels) ?? null];
    if (before === null || now === null || then === null || this.at <= before.at || now < then) return null;
    return (now - then) / (this.at - before.at);
  }

  /**
   * The smallest bound of a histogram below which this share of all measurements lies; Infinity above the last one.
   * @param {string} name
   * @param {number} share such as 0.99
   */
  quantileBound(name, share) {
    const count = this.value(`${name}_count`);
    if (!count) return null;
    const fits = this.all(`${name}_bucket`).filter(({ value }) => value >= share * count).map(({ labels }) => numberOf(labels.le));
    return Math.min(...fits);
  }
}

/** @param {[inside: string, value: string]} written @returns {Sample} */
function sampleOf([inside, value]) {
  const labels = Object.fromEntries([...inside.matchAll(LABEL)].map(([, key, word]) => [key, unescaped(word)]));
  return { labels, value: numberOf(value) };
}

/** @param {string} word */
const unescaped = (word) => word.replace(/\\(.)/g, (_, letter) => ESCAPED[letter] ?? letter);

/** @param {string} text */
const numberOf = (text) => (text === '+Inf' ? Infinity : Number(text));
