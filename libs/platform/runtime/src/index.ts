export { bootstrap } from './bootstrap.js';
export { Loop } from './loop.js';
export type { LoopOptions } from './loop.js';
export { Readiness } from './readiness.js';
export { RuntimeModule } from './runtime.module.js';
