// @ts-check
/**
 * Why the connection does not come back where the server, or a proxy before it, is there but lets this page in no more:
 * a session that has ended looks to a WebSocket like a dead network, and would be waited for all night.
 */

import { ApiError, request } from './api.js';
import { useStatus } from './hooks.js';
import { useEffect, useRef, useState } from './vendor.js';

/** Nothing has this path: the lightest of all questions. */
const QUESTION = { path: 'labmon/none' };

/**
 * Why the page is refused; empty while nobody does. Asked after each attempt that failed.
 *
 * @param {import('./shapes.js').App} app
 */
export function useRefusal(app) {
  const { phase, retryAt } = useStatus(app);
  const [refusal, setRefusal] = useState('');
  const hasTried = useRef(false); // a server that has just said goodbye is not asked
  useEffect(() => {
    const isLost = phase === 'lost';
    if (!isLost) setRefusal('');
    const isTurn = isLost && hasTried.current && retryAt !== null;
    hasTried.current = isLost && (hasTried.current || retryAt === null);
    if (!isTurn) return undefined;
    const abort = new AbortController();
    askWhy(abort.signal).then((words) => {
      if (!abort.signal.aborted) setRefusal(words);
    });
    return () => abort.abort();
  }, [phase, retryAt]);
  return refusal;
}

/** @param {AbortSignal} signal */
async function askWhy(signal) {
  try {
    await request('latest', QUESTION, { redirect: 'manual', signal });
    return '';
  } catch (error) {
    if (error instanceof ApiError) return refusalText(error);
    if (error instanceof TypeError || signal.aborted) return ''; // nobody is there at all
    throw error;
  }
}

/**
 * Pure.
 * @param {{status: number, code: string, message: string}} error status 0: sent to another page, which asks who one is
 */
export function refusalText({ status, code, message }) {
  if (status === 0 || status === 401) return 'you are no longer signed in';
  if (status === 403) return code ? message : 'this page is no longer let in';
  return '';
}
