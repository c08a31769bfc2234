import {
  context,
  createContextKey,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Context,
  type Link,
  type Span as ApiSpan,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { readTraceparent } from './traceparent.js';

/** A span under way. Attributes hold ids, names and numbers; never a payload, a credential, a URL's path or an error's text. */
export type Span = ApiSpan;
export type SpanAttributes = Attributes;

export interface SpanSettings {
  /** @default 'internal' */
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** The `traceparent` it continues; null: it begins a trace. @default the active span's */
  readonly parent?: string | null | undefined;
  /** `traceparent`s of what it has to do with besides; those of traces nobody samples are left out. */
  readonly links?: readonly (string | null | undefined)[];
  /** Only as a part of a trace that is sampled, never as the beginning of one. @default false */
  readonly needsParent?: boolean;
  /** When it began, in milliseconds since 1970. @default now */
  readonly startTime?: number;
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;
const REQUEST_ID = createContextKey('spooled request id');

/** The process's tracer while traces are recorded. Until then every function here costs one look at it. */
let tracer: Tracer | undefined;

export function setTracer(given: Tracer | undefined): void {
  tracer = given;
}

/** Whether traces are recorded at all. */
export function isTracing(): boolean {
  return tracer !== undefined;
}

/** Begins a span that somebody ends; `undefined` when nothing is recorded. */
export function startSpan(name: string, settings: SpanSettings = {}): Span | undefined {
  if (tracer === undefined) return undefined;
  const { kind = 'internal', attributes, links, needsParent = false, startTime } = settings;
  const parent = parentOf(settings);
  if (needsParent && !isSampled(trace.getSpanContext(parent))) return undefined;
  const options = {
    kind: KINDS[kind],
    ...(attributes === undefined ? {} : { attributes }),
    ...(links === undefined ? {} : { links: linksOf(links) }),
    ...(startTime === undefined ? {} : { startTime }),
  };
  return tracer.startSpan(name, options, parent);
}

/** Does the work inside a span, which ends with it. What is thrown is marked by its code, never by its text. */
export async function inSpan<T>(
  name: string,
  settings: SpanSettings,
  work: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  const span = startSpan(name, settings);
  if (span === undefined) return work(undefined);
  try {
    return await withSpan(span, () => work(span));
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Does the work with the span as the active one. With none, just does it. */
export function withSpan<T>(span: Span | undefined, work: () => T, requestId?: string): T {
  if (span === undefined) return work();
  const active = trace.setSpan(context.active(), span);
  return context.with(
    requestId === undefined ? active : active.setValue(REQUEST_ID, requestId),
    work,
  );
}

/** Does the work as a part of no trace: what lives longer than the request that began it. */
export function outsideTraces<T>(work: () => T): T {
  return tracer === undefined ? work() : context.with(ROOT_CONTEXT, work);
}

/** Adds to the active span. */
export function annotate(attributes: SpanAttributes): void {
  if (tracer !== undefined) trace.getActiveSpan()?.setAttributes(attributes);
}

/** Says that a span has to do with another trace, if somebody samples that. */
export function linkSpan(span: Span | undefined, traceparent: string | null | undefined): void {
  if (span !== undefined) span.addLinks(linksOf([traceparent]));
}

export function failSpan(span: Span | undefined, error: unknown): void {
  if (span === undefined) return;
  const { code, name = 'unknown' } = (error ?? {}) as { code?: string | number; name?: string };
  span.setAttribute('error.type', String(code ?? name));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The active span as a `traceparent`, sampled or not; null without one. */
export function activeTraceparent(): string | null {
  if (tracer === undefined) return null;
  return traceparentOf(trace.getSpanContext(context.active()));
}

export function spanTraceparent(span: Span | undefined): string | null {
  return traceparentOf(span?.spanContext());
}

/**
 * The context that a caller's work goes on in: the active span where traces are recorded, else what the caller sent, so
 * that a trace crosses a service that records none.
 */
export function continuedTraceparent(sent: unknown): string | null {
  if (tracer !== undefined) return activeTraceparent();
  return sent === undefined ? null : readTraceparent(sent);
}

/**
 * The span in which work for several callers is done together: a part of the trace of the first one that is sampled, and
 * linked to the others.
 */
export function sharedBy(traceparents: readonly (string | null)[]): SpanSettings {
  const [parent = null, ...links] = new Set(traceparents.filter(isSampledText));
  return { parent, links, needsParent: true };
}

/** What a log line says of the work it was written in. */
export function logFields(): Record<string, string> {
  if (tracer === undefined) return {};
  const active = context.active();
  const span = trace.getSpanContext(active);
  const requestId = active.getValue(REQUEST_ID);
  return {
    ...(typeof requestId === 'string' ? { request_id: requestId } : {}),
    ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId }),
  };
}

function parentOf({ parent }: SpanSettings): Context {
  if (parent === undefined) return context.active();
  const remote = spanContextOf(parent);
  return remote === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote);
}

function linksOf(traceparents: readonly (string | null | undefined)[]): Link[] {
  return [...new Set(traceparents)].flatMap((text) => {
    const linked = spanContextOf(text);
    return linked !== undefined && isSampled(linked) ? [{ context: linked }] : [];
  });
}

function spanContextOf(traceparent: string | null | undefined): SpanContext | undefined {
  const text = readTraceparent(traceparent);
  if (text === null) return undefined;
  const [, traceId, spanId, flags] = text.split('-') as [string, string, string, string];
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

function traceparentOf(span: SpanContext | undefined): string | null {
  if (span === undefined) return null;
  return `00-${span.traceId}-${span.spanId}-${isSampled(span) ? '01' : '00'}`;
}

function isSampled(span: SpanContext | undefined): boolean {
  return span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0;
}

function isSampledText(traceparent: string | null): traceparent is string {
  return traceparent !== null && traceparent.endsWith('1');
}
