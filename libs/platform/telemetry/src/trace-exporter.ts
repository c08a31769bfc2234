import { context, trace } from '@opentelemetry/api';
import { env, loadConfig } from '@spooled/config';
import { z } from 'zod';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import { setTracer } from './tracing.js';

const settings = z.object({
  OTEL_EXPORTER_OTLP_ENDPOINT: env.text(''),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: env.text(''),
  OTEL_EXPORTER_OTLP_PROTOCOL: env.text('http/protobuf'),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: env.text(''),
  OTEL_TRACES_EXPORTER: env.text('otlp'),
  OTEL_SDK_DISABLED: env.text('false').transform((text) => text.toLowerCase() === 'true'),
});

/** How long a stop waits for the last spans to leave. */
const FLUSH_LIMIT_MS = 3000;

/** Ends the recording: what was recorded leaves, unless nobody takes it in time. */
export type StopTracing = () => Promise<void>;

/**
 * Starts the recording of traces when the standard settings name a collector; loads nothing otherwise. Spans wait in a
 * bounded queue and leave in batches: a collector that is away costs spans, never a request.
 */
export async function startTracing(
  service: string,
  logger: Logger,
  metrics: Metrics,
  environment?: NodeJS.ProcessEnv,
): Promise<StopTracing> {
  const config = loadConfig(settings, environment);
  const spans = metrics.counter({
    name: 'spooled_trace_spans_total',
    help: 'Spans given to the collector, by what became of them.',
    labelNames: ['outcome'],
  });
  for (const outcome of ['exported', 'failed']) spans.inc({ outcome }, 0);
  const endpoint = config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isWanted = endpoint !== '' && config.OTEL_TRACES_EXPORTER === 'otlp';
  if (!isWanted || config.OTEL_SDK_DISABLED) return () => Promise.resolve();
  const protocol = config.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || config.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (protocol !== 'http/protobuf') {
    logger.warn({ protocol }, 'traces are sent as http/protobuf, whatever else is asked for');
  }

  const [{ BatchSpanProcessor, NodeTracerProvider }, { OTLPTraceExporter }, resources] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-node'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter();
  const exportSpans = exporter.export.bind(exporter);
  let isFailing = false;
  // Its own way of telling is a global logger that nobody reads. The reason may quote the address: it is not told.
  exporter.export = (batch, done) =>
    exportSpans(batch, (result) => {
      const hasFailed = result.error !== undefined || Number(result.code) !== 0;
      spans.inc({ outcome: hasFailed ? 'failed' : 'exported' }, batch.length);
      if (hasFailed && !isFailing) logger.warn('traces cannot be exported; their spans are lost');
      if (!hasFailed && isFailing) logger.info('traces are exported again');
      isFailing = hasFailed;
      done(result);
    });
  const { detectResources, envDetector, resourceFromAttributes } = resources;
  const provider = new NodeTracerProvider({
    // The environment's names win.
    resource: resourceFromAttributes({ 'service.name': service }).merge(
      detectResources({ detectors: [envDetector] }),
    ),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  provider.register({ propagator: null });
  setTracer(provider.getTracer('spooled'));
  logger.info('traces are recorded');
  return async () => {
    setTracer(undefined);
    const limit = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_LIMIT_MS).unref());
    await Promise.race([provider.shutdown().catch(() => undefined), limit]);
    trace.disable();
    context.disable();
  };
}
