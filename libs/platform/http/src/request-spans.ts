import { fullPath, type RouteSpec } from '@spooled/contracts';
import { failSpan, isTracing, startSpan, withSpan, type Span } from '@spooled/telemetry';
import type { FastifyRequest } from 'fastify';

/** Of requests under way, where traces are recorded. A request goes through callbacks that know nothing of contexts. */
const spans = new WeakMap<FastifyRequest, Span>();

/** The path is that of the route: what a client wrote, and its query above all, may hold secrets. */
export function beginSpan(spec: RouteSpec, request: FastifyRequest): void {
  if (!isTracing()) return;
  const span = startSpan(`${spec.method} ${fullPath(spec)}`, {
    kind: 'server',
    parent: (request.headers['traceparent'] as string | undefined) ?? null,
    attributes: {
      'http.request.method': spec.method,
      'http.route': fullPath(spec),
      'spooled.request.id': request.id,
    },
  });
  if (span !== undefined) spans.set(request, span);
}

/** Does a part of a request's work in its span, while that is under way. */
export function inRequest<T>(request: FastifyRequest, work: () => T): T {
  return withSpan(spans.get(request), work, request.id);
}

/** Ends the span of a request, unless it has ended. */
export function endSpan(request: FastifyRequest, status: number): void {
  const span = spans.get(request);
  if (span === undefined) return;
  spans.delete(request);
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) failSpan(span, { code: status });
  span.end();
}
