export { createLogger } from './logger.js';
export type { Logger } from './logger.js';
export { Metrics } from './metrics.js';
export { readTraceparent } from './traceparent.js';
export {
  activeTraceparent,
  annotate,
  continuedTraceparent,
  failSpan,
  inSpan,
  isTracing,
  linkSpan,
  outsideTraces,
  sharedBy,
  spanTraceparent,
  startSpan,
  withSpan,
} from './tracing.js';
export type { Span, SpanAttributes, SpanSettings } from './tracing.js';
export { LOGGER, TelemetryModule } from './telemetry.module.js';
