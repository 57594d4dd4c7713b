// @ts-check
/** Light or dark: by the system until the viewer chooses. theme-first.js applies a kept choice before the first paint. */

const dark = () => matchMedia('(prefers-color-scheme: dark)');

/** @returns {'light' | 'dark'} */
export function theme() {
  const { theme: chosen } = document.documentElement.dataset;
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return dark().matches ? 'dark' : 'light';
}

/** Changes from light to dark or back, and keeps the choice. */
export function toggleTheme() {
  const chosen = theme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem('theme', chosen);
  } catch { /* storage may be forbidden: then it lasts for this page */ }
  dispatchEvent(new CustomEvent('themechange'));
}

/** Prints dark ink on light paper, also what stands on a canvas; afterwards all is as it was. */
export function keepPaperLight() {
  const { dataset } = document.documentElement;
  /** @type {string | undefined} */
  let chosen;
  addEventListener('beforeprint', () => {
    chosen = dataset.theme;
    dataset.theme = 'light';
    dispatchEvent(new CustomEvent('themechange'));
  });
  addEventListener('afterprint', () => {
    if (chosen === undefined) delete dataset.theme;
    else dataset.theme = chosen;
    dispatchEvent(new CustomEvent('themechange'));
  });
}

/**
 * Calls the listener when the colours change: canvases must be drawn again.
 * @param {() => void} listener
 * @returns {() => void} stops listening
 */
export function onThemeChange(listener) {
  const system = dark();
  system.addEventListener('change', listener);
  addEventListener('themechange', listener);
  return () => {
    system.removeEventListener('change', listener);
    removeEventListener('themechange', listener);
  };
}

/**
 * A colour token as the canvas needs it.
 * @param {string} token such as `--s1`
 * @returns {string} `rgb(10, 92, 184)`
 */
export function resolvedColour(token) {
  const probe = document.createElement('span');
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
