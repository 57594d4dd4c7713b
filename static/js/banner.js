// @ts-check
/** The banner that says the connection is lost: since when, and what happens next. It stands between filters and cards. */

import { formatAge, formatClock } from './ages.js';
import { Icon } from './icons.js';
import { useStatus, useTick } from './shell.js';
import { html } from './vendor.js';

/** @param {{app: import('./shapes.js').App}} props */
export function ConnectionBanner({ app }) {
  const status = useStatus(app);
  useTick(app);
  if (status.phase !== 'lost' || status.lostAt === null) return null;
  const now = app.store.now();
  const wait = status.retryAt === null ? 0 : Math.ceil(status.retryAt - now);
  const next = wait > 0 ? `Trying again in ${wait} s` : 'Trying now';
  return html`
    <div class="banner quiet">
      <${Icon} name="off" />
      <p class="vh" role="status">Connection lost at ${formatClock(status.lostAt)}. All values are old.</p>
      <p class="what"><b>Connection to ${status.node || 'labmon'} lost at ${formatClock(status.lostAt)}, ${formatAge(now - status.lostAt)} ago.</b>${' '}
        <span class="why">All values are old. ${next}; gaps fill in by themselves.</span></p>
      <div class="acts"><button class="btn small" type="button" onClick=${() => app.connection.retryNow()}>Try now</button></div>
    </div>`;
}
