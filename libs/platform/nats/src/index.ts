export { Bus } from './bus.js';
export { isUnserved } from './is-unserved.js';
export { BusModule } from './nats.module.js';
