export { Bus } from './bus.js';
export { BusModule } from './nats.module.js';
