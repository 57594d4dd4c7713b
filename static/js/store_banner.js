// @ts-check
/** The banner that says what is wrong with the store: what `/healthz` tells, asked for every few seconds. */

import { Icon } from './icons.js';
import { pollEvery } from './polling.js';
import { html, useEffect, useState } from './vendor.js';

/** @typedef {{ready: boolean, reasons: string[], warnings: string[], refused_streams?: Record<string, string>}} Readiness */

const EVERY_MS = 10_000;

/** Nothing while all is well. @param {{isHere?: boolean}} props isHere: on the Status page, which needs no link to itself */
export function StoreBanner({ isHere = false }) {
  const readiness = useReadiness();
  if (readiness === null) return null;
  const said = bannerWords(readiness);
  if (said === null) return null;
  return html`
    <div class=${`banner ${readiness.ready ? 'warn' : ''}`} role="alert">
      <${Icon} name="warn" />
      <p class="what"><b>${said.title}</b> <span class="why">${said.text}</span></p>
      ${!isHere && html`<div class="acts"><a class="btn small" href="/status">Status</a></div>`}
    </div>`;
}

/**
 * What the banner says; null: all is well.
 * @param {Readiness} readiness
 */
export function bannerWords({ ready, reasons, warnings, refused_streams = {} }) {
  if (!ready) return { title: 'Nothing is recorded now.', text: `${sentences(reasons)} Live values go on.` };
  const refused = Object.entries(refused_streams);
  if (refused.length) return { title: refusedTitle(refused.map(([path]) => path)), text: ended(refused[0][1]) };
  if (warnings.length === 0) return null;
  return { title: 'The store needs a look; recording goes on.', text: sentences(warnings) };
}

/** @param {string[]} paths */
function refusedTitle([first, ...more]) {
  return `Not all readings of ${first}${more.length ? ` and ${more.length} more` : ''} are recorded.`;
}

/** @param {string} words */
const ended = (words) => (words.endsWith('.') ? words : `${words}.`);

/** @param {string[]} words */
const sentences = (words) => words.map((one) => `${one.slice(0, 1).toUpperCase()}${ended(one.slice(1))}`).join(' ');

/** What the server says of itself; null: not known. @returns {Readiness | null} */
function useReadiness() {
  const [readiness, setReadiness] = useState(/** @type {Readiness | null} */ (null));
  useEffect(() => {
    let isGone = false;
    const polling = pollEvery(async () => {
      const found = await fetchReadiness();
      if (!isGone) setReadiness(found);
    }, EVERY_MS);
    return () => {
      isGone = true;
      polling.stop();
    };
  }, []);
  return readiness;
}

/** @returns {Promise<Readiness | null>} null where the server does not answer: another banner says so */
async function fetchReadiness() {
  try {
    const response = await fetch('/healthz'); // as `/readyz`, but its 503 would be an error on the console
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}
