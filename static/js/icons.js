// @ts-check
/** The shapes of the state language and of the buttons. They are drawn once, in index.html, and used by name. */

import { html } from './vendor.js';

/** @typedef {'ok' | 'sim' | 'nosig' | 'over' | 'under' | 'limit' | 'fault' | 'stale' | 'warn' | 'alarm' | 'off' | 'search' | 'theme' | 'wall' | 'graph' | 'grid' | 'sliders' | 'bell' | 'more' | 'key' | 'check' | 'x' | 'flag' | 'plus' | 'down' | 'link' | 'chev' | 'left'} IconName */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An icon for a page made by Preact. It is decoration: the word stands beside it.
 * @param {{name: IconName, cut?: string}} props cut: the colour of what is cut out of a filled shape
 */
export function Icon({ name, cut }) {
  return html`<svg class="i" aria-hidden="true" style=${cut ? { '--cut': cut } : undefined}><use href=${`#i-${name}`} /></svg>`;
}

/**
 * The same as an element.
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function iconElement(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'i');
  svg.setAttribute('aria-hidden', 'true');
  const use = svg.appendChild(document.createElementNS(SVG, 'use'));
  use.setAttribute('href', `#i-${name}`);
  return svg;
}
