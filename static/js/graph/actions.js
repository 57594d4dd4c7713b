// @ts-check
/** The buttons at the head of the graph: streams, link, picture, numbers. */

import { Icon } from '../icons.js';
import { useStatus } from '../hooks.js';
import { roleObstacle } from '../roles.js';
import { html, useState } from '../vendor.js';
import { unitText } from './axis_titles.js';
import { copyText, saveCsv, savePng } from './share.js';

const SAID_MS = 2000;

/** @param {{model: import('./model.js').GraphModel, plot: import('./plot.js').Plot | null, title: string, range: string, onPick: () => void}} props */
export function Actions({ model, plot, title, range, onPick }) {
  const [said, setSaid] = useState('');
  const obstacle = roleObstacle(useStatus(model.app));
  const copy = async () => {
    const isDone = await copyText(location.href);
    setSaid(isDone ? 'Copied' : 'Copy it from the address bar');
    setTimeout(() => setSaid(''), SAID_MS);
  };
  const png = () => plot && savePng(model, plot, title, range, plot.axes.map(unitText));
  const annotate = () => {
    model.annotations.mark(!model.annotations.isMarking && !model.annotations.isRefused);
    document.getElementById('plot')?.focus({ preventScroll: true });
  };
  const csv = () => saveCsv(model, ({ unit }) => unit);
  return html`<div class="acts">
    <button type="button" class="btn" onClick=${onPick}><${Icon} name="plus" /><span class="hide-s">Add stream</span><span class="only-s">Add</span></button>
    <button type="button" class="btn" onClick=${annotate} aria-label="Annotate" title=${obstacle || 'Write on the graph (A)'}
      aria-disabled=${obstacle ? 'true' : undefined}><${Icon} name="flag" /><span class="hide-s">Annotate</span></button>
    <button type="button" class="btn hide-s" onClick=${copy}><${Icon} name=${said === 'Copied' ? 'check' : 'link'} />${said || 'Copy link'}</button>
    <button type="button" class="btn hide-s" onClick=${png} disabled=${!plot}><${Icon} name="down" />PNG</button>
    <button type="button" class="btn hide-s" onClick=${csv}><${Icon} name="down" />CSV</button>
    <span class="vh" role="status">${said}</span>
  </div>`;
}
