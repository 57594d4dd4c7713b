// @ts-check
/** Style sheets that only some pages need. A page waits for its own, so that it never flashes unstyled. */

/** @type {Map<string, Promise<void>>} */
const loaded = new Map();

/**
 * Adds a style sheet to the document, once.
 * @param {string} href such as `/static/css/graph.css`
 * @returns {Promise<void>} settled when it applies (or could not be loaded: a page without style still works)
 */
export function stylesheet(href) {
  let loading = loaded.get(href);
  if (!loading) {
    loading = new Promise((resolve) => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = href;
      link.onload = link.onerror = () => resolve();
      document.head.append(link);
    });
    loaded.set(href, loading);
  }
  return loading;
}
