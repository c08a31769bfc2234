import { createLogger } from './logger.js';
import { Metrics } from './metrics.js';
import { startTracing } from './trace-exporter.js';
import {
  activeTraceparent,
  continuedTraceparent,
  inSpan,
  isTracing,
  sharedBy,
  startSpan,
} from './tracing.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const sampled = (number: number): string => `00-${TRACE}-${String(number).padStart(16, '0')}-01`;

describe('traces that nobody asked for', () => {
  it.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' },
  ])('are not recorded: %p', async (environment) => {
    const logger = createLogger('test', 'silent');
    const stop = await startTracing('test', logger, new Metrics(), environment);
    expect(isTracing()).toBe(false);
    await stop();
  });

  it('cost no span and no context, and what a caller sent goes on as it came', async () => {
    expect(startSpan('work')).toBeUndefined();
    expect(activeTraceparent()).toBeNull();
    const seen = await inSpan('work', { parent: sampled(1) }, (span) =>
      Promise.resolve([span, activeTraceparent()]),
    );
    expect(seen).toEqual([undefined, null]);
    expect(continuedTraceparent(sampled(1))).toBe(sampled(1));
    expect(continuedTraceparent('nonsense')).toBeNull();
    expect(continuedTraceparent(undefined)).toBeNull();
  });
});

it('work for many callers is in the trace of the first that is sampled, and linked to the others', () => {
  const quiet = `00-${TRACE}-${'9'.repeat(16)}-00`;
  expect(sharedBy([null, quiet, sampled(1), sampled(2), sampled(1)])).toEqual({
    parent: sampled(1),
    links: [sampled(2)],
    needsParent: true,
  });
  expect(sharedBy([null, quiet])).toEqual({ parent: null, links: [], needsParent: true });
});
