export { createLogger } from './logger.js';
export type { Logger } from './logger.js';
export { Metrics } from './metrics.js';
export { LOGGER, TelemetryModule } from './telemetry.module.js';
