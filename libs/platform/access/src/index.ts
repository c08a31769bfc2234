export { AccessModule } from './access.module.js';
export { AccessWatch } from './access-watch.js';
export type { Watched } from './access-watch.js';
export { Plans } from './plans.js';
export { Principals } from './principals.js';
export type { PrincipalChange } from './principals.js';
