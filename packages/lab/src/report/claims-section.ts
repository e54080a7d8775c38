import type { ClaimResult } from '../results/results.js';
import { type Html, html } from './html.js';

/** What the experiment promises, and whether it kept it. */
export function claimsSection(claims: readonly ClaimResult[]): Html {
  if (claims.length === 0) return html``;
  const failed = claims.filter(({ holds }) => !holds).length;
  const verdict =
    failed === 0
      ? `All ${claims.length} claims hold.`
      : `${failed} of ${claims.length} claims ${failed === 1 ? 'does' : 'do'} not hold.`;
  return html`
<section id="claims" aria-labelledby="claims-title">
  <h2 id="claims-title">Claims</h2>
  <p class="verdict ${failed === 0 ? 'pass' : 'fail'}">${verdict}</p>
  <ul class="claims">${claims.map(
    ({ text, holds }) => html`
    <li class="${holds ? 'pass' : 'fail'}"><span class="tick" aria-hidden="true">${
      holds ? '✓' : '✗'
    }</span><span><span class="hidden">${holds ? 'holds' : 'does not hold'}: </span>${text}</span>
    </li>`,
  )}
  </ul>
</section>`;
}
