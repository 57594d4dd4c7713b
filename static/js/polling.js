// @ts-check
/** Questions that a page asks again and again. The trap: a server that is slow to answer must not be asked once more meanwhile. */

/**
 * Asks at once, and then in steps while the page is seen. A step at which an answer is still out is left out.
 *
 * @param {() => Promise<void>} ask
 * @param {number} every_ms
 * @returns {{askAnew: () => void, stop: () => void}} askAnew: not at the next step but now, or behind the answer that is out
 */
export function pollEvery(ask, every_ms) {
  let isOut = false;
  let isWanted = false;
  let isOver = false;
  const turn = async () => {
    isOut = true;
    try {
      do {
        isWanted = false;
        await ask();
      } while (isWanted && !isOver);
    } finally {
      isOut = false;
    }
  };
  const askAnew = () => {
    if (isOut) isWanted = true;
    else turn();
  };
  const timer = setInterval(() => {
    if (!isOut && !document.hidden) turn();
  }, every_ms);
  turn();
  return {
    askAnew,
    stop: () => {
      isOver = true;
      clearInterval(timer);
    },
  };
}

/**
 * Asks at once; asked again soon after, not before some time has passed, and then once.
 *
 * @param {() => void} ask
 * @param {number} every_ms
 * @returns {{ask: () => void, stop: () => void}}
 */
export function notOftener(ask, every_ms) {
  /** @type {any} */
  let timer = 0;
  let isWanted = false;
  const turn = () => {
    isWanted = false;
    timer = setTimeout(() => {
      timer = 0;
      if (isWanted) turn();
    }, every_ms);
    ask();
  };
  return {
    ask: () => {
      if (timer) isWanted = true;
      else turn();
    },
    stop: () => {
      clearTimeout(timer);
      timer = 0;
      isWanted = false;
    },
  };
}

/** While the store is away, history cannot fill a gap, however often it is asked; whoever subscribes behind it is told the gap again. */
export const GAP_RETRY_MS = 10_000;
