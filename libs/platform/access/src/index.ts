export { AccessModule } from './access.module.js';
export { Plans } from './plans.js';
export { Principals } from './principals.js';
export type { PrincipalChange } from './principals.js';
