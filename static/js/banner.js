// @ts-check
/** The banner that says what is wrong with the connection, or else with the store. It stands between filters and cards. */

import { formatAge, formatClock } from './ages.js';
import { useProblem, useStatus, useTick } from './hooks.js';
import { Icon } from './icons.js';
import { useRefusal } from './refusal.js';
import { StoreBanner } from './store_banner.js';
import { html } from './vendor.js';

/** @typedef {import('./shapes.js').App} App */

/** @param {{app: App, isStatus?: boolean}} props isStatus: it stands on the Status page */
export function ConnectionBanner({ app, isStatus = false }) {
  const status = useStatus(app);
  const problem = useProblem(app);
  const refusal = useRefusal(app);
  useTick(app);
  if (status.phase === 'live' && problem) return html`<${ProblemBanner} app=${app} problem=${problem} />`;
  if (status.phase === 'live' && status.isOutdated) return html`<${OutdatedBanner} version=${status.version} />`;
  if (status.phase !== 'lost' || status.lostAt === null) return html`<${StoreBanner} isHere=${isStatus} />`;
  const now = app.store.now();
  const wait = status.retryAt === null ? 0 : Math.ceil(status.retryAt - now);
  const next = wait > 0 ? `Trying again in ${wait} s` : 'Trying now';
  const why = refusal ? `The server is there, but refuses: ${refusal}.` : `${next}; gaps fill in by themselves.`;
  return html`
    <div class="banner quiet">
      <${Icon} name="off" />
      <p class="vh" role="status">Connection lost at ${formatClock(status.lostAt)}. All values are old.</p>
      <p class="what"><b>Connection to ${status.title} lost at ${formatClock(status.lostAt)}, ${formatAge(now - status.lostAt)} ago.</b>${' '}
        <span class="why">All values are old. ${why}</span></p>
      <div class="acts">${refusal && html`<button class="btn small" type="button" onClick=${() => location.reload()}>Load it anew</button>`}<button class="btn small" type="button" onClick=${() => app.connection.retryNow()}>Try now</button></div>
    </div>`;
}

/** The server was upgraded while this page was open. @param {{version: string}} props */
function OutdatedBanner({ version }) {
  return html`
    <div class="banner warn" role="alert">
      <${Icon} name="warn" />
      <p class="what"><b>The server is now labmon ${version}.</b> <span class="why">This page is of another version.</span></p>
      <div class="acts"><button class="btn small" type="button" onClick=${() => location.reload()}>Load it anew</button></div>
    </div>`;
}

/** The server is there, but did not give what the page asked for. @param {{app: App, problem: Error}} props */
function ProblemBanner({ app, problem }) {
  return html`
    <div class="banner warn" role="alert">
      <${Icon} name="warn" />
      <p class="what"><b>Some of the data could not be fetched.</b> <span class="why">${problem.message}</span></p>
      <div class="acts"><button class="btn small" type="button" onClick=${() => app.store.refresh()}>Try again</button></div>
    </div>`;
}
