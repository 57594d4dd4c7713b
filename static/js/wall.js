// @ts-check
import { html } from './vendor.js';
export const title = () => 'Wall';
export default function Page() { return html`<main class="wrap" id="main"><h1>…</h1></main>`; }
