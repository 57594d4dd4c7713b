// @ts-check
/** Who may do what, told before somebody tries. The trap: the server alone decides; here a person is only spared its refusal. Pure. */

/** @typedef {import('./connection.js').Status} Status */
/** @typedef {'viewer' | 'operator' | 'admin'} Role */

/** Each may what those before it may. @type {string[]} */
const ROLES = ['viewer', 'operator', 'admin'];

/**
 * Why one's role does not allow something; empty where it does, and while nobody has said which role one has.
 *
 * @param {Status} status
 * @param {Role} [needed]
 */
export function roleObstacle({ phase, role }, needed = 'operator') {
  const [mine, least] = [ROLES.indexOf(role), ROLES.indexOf(needed)];
  if (phase !== 'live' || mine < 0 || mine >= least) return '';
  return `Only ${withArticle(needed)} may: you are ${withArticle(role)} here`;
}

/** @param {string} role */
const withArticle = (role) => `${/^[aeio]/.test(role) ? 'an' : 'a'} ${role}`;
