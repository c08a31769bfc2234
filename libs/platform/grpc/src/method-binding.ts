import {
  type Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { AccessWatch } from '@spooled/access';
import { AppError, errorCatalogue, type GrpcSpec, type Principal } from '@spooled/contracts';
import { parsePart, PrincipalResolver, toAppError, TrafficControl } from '@spooled/http';
import {
  annotate,
  failSpan,
  LOGGER,
  Metrics,
  outsideTraces,
  startSpan,
  withSpan,
  type Logger,
  type Span,
} from '@spooled/telemetry';
import { Inject, Injectable } from '@nestjs/common';
import { identify } from './credentials.js';
import { Incoming } from './incoming.js';
import { sentTraceparent } from './sent-traceparent.js';
import { MALFORMED } from './protos.js';
import { statusOf } from './status.js';
import { StreamCall } from './stream-call.js';
import { UnaryCall } from './unary-call.js';

type Handler = (call: unknown) => unknown;
type RawUnary = ServerUnaryCall<unknown, unknown>;
type RawServerStream = ServerWritableStream<unknown, unknown>;
type RawBidi = ServerDuplexStream<unknown, unknown>;

/** A call that takes longer is worth a line, in milliseconds. */
const SLOW_MS = 1000;
/** How long a stream that we ended has to take its end, in milliseconds. */
const END_GRACE_MS = 5000;

/** Turns a method's spec and its handler into what grpc-js calls: caller, limits, validation, answer, metric, span, line. */
@Injectable()
export class MethodBinding {
  readonly #streams = new Set<StreamCall>();
  readonly #requests;
  readonly #seconds;
  readonly #open;
  #isDraining = false;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly traffic: TrafficControl,
    private readonly access: AccessWatch,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.#requests = metrics.counter({
      name: 'spooled_grpc_requests_total',
      help: 'gRPC calls that ended, by method and status.',
      labelNames: ['method', 'status'],
    });
    this.#seconds = metrics.histogram({
      name: 'spooled_grpc_request_duration_seconds',
      help: 'Duration of unary gRPC calls by method.',
      labelNames: ['method'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
    this.#open = metrics.gauge({
      name: 'spooled_grpc_streams',
      help: 'gRPC streams that are open, by method.',
      labelNames: ['method'],
    });
  }

  bind(spec: GrpcSpec, handler: Handler): UntypedHandleCall {
    if (spec.kind === 'unary') {
      return (call: RawUnary, answer: sendUnaryData<unknown>): void =>
        void this.#unary(spec, handler, call, answer);
    }
    this.#open.set({ method: spec.method }, 0);
    return (raw: RawServerStream | RawBidi): void => void this.#stream(spec, handler, raw);
  }

  /** Ends every open stream; clients come back to another instance. */
  endStreams(): void {
    this.#isDraining = true;
    for (const call of [...this.#streams]) this.#end(call, stopping());
  }

  async #unary(
    spec: GrpcSpec,
    handler: Handler,
    call: RawUnary,
    answer: sendUnaryData<unknown>,
  ): Promise<void> {
    const startedAt = performance.now();
    let outcome = 'OK';
    const span = begin(spec, call.metadata);
    try {
      const work = (): Promise<unknown> => this.#answer(spec, handler, call);
      answer(null, await withSpan(span, work));
    } catch (error) {
      const known = withSpan(span, () => this.#understand(spec, error));
      outcome = errorCatalogue[known.code].grpc;
      answer(statusOf(known));
    }
    // After its end a call counts as cancelled too, so what it was is asked before.
    this.#count(spec, outcome);
    const durationMs = performance.now() - startedAt;
    this.#seconds.observe({ method: spec.method }, durationMs / 1000);
    if (span !== undefined) end(span, outcome);
    withSpan(span, () => this.#tell(spec, outcome, durationMs));
  }

  async #answer(spec: GrpcSpec, handler: Handler, call: RawUnary): Promise<unknown> {
    const identity = await identify(this.resolver, call.metadata);
    this.#admit(identity.principal);
    annotate({ 'spooled.organization.id': identity.principal.organizationId });
    return handler(new UnaryCall(call, identity, parse(spec, call.request)));
  }

  async #stream(spec: GrpcSpec, handler: Handler, raw: RawServerStream | RawBidi): Promise<void> {
    let call: StreamCall | undefined;
    // A stream lives for hours: the span is that of its opening.
    const span = begin(spec, raw.metadata);
    try {
      if (this.#isDraining) throw stopping();
      // What arrives while we ask who calls is not lost: nothing is read before somebody listens.
      const identity = await withSpan(span, () => identify(this.resolver, raw.metadata));
      this.#admit(identity.principal);
      if (span !== undefined) end(span, 'OK');
      call = new StreamCall(raw, identity, (principal) => this.#admit(principal));
      if ('request' in raw) call.request = parse(spec, raw.request);
      else call.requests = new Incoming(raw, call.signal, (message) => parse(spec, message));
      const opened = call;
      await outsideTraces(() => this.#run(spec, handler, opened));
    } catch (error) {
      const outcome = this.#refuse(spec, raw, error);
      if (span !== undefined && call === undefined) end(span, outcome);
    }
  }

  async #run(spec: GrpcSpec, handler: Handler, call: StreamCall): Promise<void> {
    const labels = { method: spec.method };
    const unwatch = this.access.watch(call);
    this.#streams.add(call);
    this.#open.inc(labels);
    try {
      if (!call.signal.aborted) await handler(call);
      this.#count(spec, call.endedWith ?? (call.signal.aborted ? 'CANCELLED' : 'OK'));
      this.#end(call);
    } catch (error) {
      const known = this.#understand(spec, error);
      this.#count(spec, call.endedWith ?? errorCatalogue[known.code].grpc);
      this.#end(call, known);
    } finally {
      this.#streams.delete(call);
      this.#open.dec(labels);
      unwatch();
    }
  }

  /** Before there was a stream to speak of. */
  #refuse(spec: GrpcSpec, raw: RawServerStream | RawBidi, error: unknown): string {
    const known = this.#understand(spec, error);
    const outcome = errorCatalogue[known.code].grpc;
    this.#count(spec, outcome);
    raw.emit('error', statusOf(known));
    return outcome;
  }

  #end(call: StreamCall, error?: AppError): void {
    call.end(error);
    setTimeout(() => call.destroy(), END_GRACE_MS).unref();
  }

  #admit(principal: Principal): void {
    const { refusal } = this.traffic.admit(principal);
    if (refusal !== undefined) throw refusal;
  }

  /** One line for each call, as HTTP has one for each request. */
  #tell({ service, method }: GrpcSpec, status: string, durationMs: number): void {
    const isWorthIt = status === 'INTERNAL' || (durationMs >= SLOW_MS && status !== 'UNAVAILABLE');
    const level = isWorthIt ? 'info' : 'debug';
    if (!this.logger.isLevelEnabled(level)) return;
    this.logger[level](
      { service_name: service, method, status, duration_ms: Math.round(durationMs) },
      'gRPC call',
    );
  }

  #count({ method }: GrpcSpec, outcome: string): void {
    this.#requests.inc({ method, status: outcome });
  }

  #understand({ method }: GrpcSpec, error: unknown): AppError {
    const known = toAppError(error);
    if (errorCatalogue[known.code].grpc === 'INTERNAL') {
      this.logger.error({ err: error, method }, 'gRPC call failed');
    }
    return known;
  }
}

function begin({ service, method }: GrpcSpec, metadata: Metadata): Span | undefined {
  return startSpan(`${service}/${method}`, {
    kind: 'server',
    parent: sentTraceparent(metadata),
    attributes: { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method },
  });
}

function end(span: Span, status: string): void {
  span.setAttribute('rpc.response.status_code', status);
  if (isOurTrouble(status)) failSpan(span, { code: status });
  span.end();
}

function isOurTrouble(status: string): boolean {
  return status === 'INTERNAL' || status === 'UNAVAILABLE';
}

function parse({ request }: GrpcSpec, message: unknown): unknown {
  if (message === MALFORMED) throw new AppError('BAD_REQUEST', 'The message cannot be decoded.');
  return parsePart(request, message);
}

function stopping(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The server is stopping.', { retryAfterSecs: 1 });
}
