// @ts-check
/**
 * How a wall screen gets the pages of a server that was upgraded, with nobody there to reload it.
 * The trap: a browser that reloads while the server is down shows its own error page, for ever.
 */

const AFTER_MS = 3000;

let isDue = false;

/** Loads the page anew, once the server has shown that it gives it; asking again changes nothing. */
export function reloadSoon() {
  if (isDue) return;
  isDue = true;
  const attempt = async () => {
    if (await isThere()) location.reload();
    else setTimeout(attempt, AFTER_MS);
  };
  setTimeout(attempt, AFTER_MS);
}

async function isThere() {
  try {
    return (await fetch('/', { cache: 'no-store' })).ok;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
