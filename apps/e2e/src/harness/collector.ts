/** An OpenTelemetry collector: takes OTLP over HTTP as protobuf, and keeps the spans. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import protobuf from 'protobufjs';

/** The parts of the standard's definitions that are looked at here. */
const definitions = `
  syntax = "proto3";
  message Request { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    repeated KeyValue attributes = 9; repeated Link links = 13; Status status = 15;
  }
  message Link { bytes trace_id = 1; bytes span_id = 2; }
  message Status { int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }`;
const requestType = protobuf.parse(definitions, { keepCase: true }).root.lookupType('Request');

interface KeyValue {
  readonly key: string;
  readonly value: { readonly string_value?: string; readonly int_value?: number };
}
interface Ids {
  readonly trace_id: Uint8Array;
  readonly span_id: Uint8Array;
}
interface WireSpan extends Ids {
  readonly parent_span_id: Uint8Array;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly KeyValue[];
  readonly links: readonly Ids[];
}
interface WireRequest {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scope_spans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: the beginning of a trace. */
  readonly parentId: string;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  /** Trace ids. */
  readonly links: readonly string[];
}

export class Collector {
  static async start(): Promise<Collector> {
    const collector = new Collector();
    collector.server.listen(0, '127.0.0.1');
    await once(collector.server, 'listening');
    return collector;
  }

  readonly spans: CollectedSpan[] = [];
  /** Every byte that came in, as text: what must be in none of it can be looked for. */
  text = '';
  private readonly server: Server = createServer((request, response) => {
    void this.receive(request).then(() => response.writeHead(200).end());
  });

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  trace(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async receive(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    this.text += bytes.toString('latin1');
    const decoded = requestType.toObject(requestType.decode(bytes), {
      defaults: true,
      longs: Number,
    }) as WireRequest;
    for (const { resource, scope_spans } of decoded.resource_spans) {
      const service = String(valuesOf(resource.attributes)['service.name']);
      for (const { spans } of scope_spans) {
        this.spans.push(...spans.map((span) => collected(service, span)));
      }
    }
  }
}

function collected(service: string, span: WireSpan): CollectedSpan {
  return {
    service,
    name: span.name,
    traceId: hex(span.trace_id),
    spanId: hex(span.span_id),
    parentId: hex(span.parent_span_id),
    attributes: valuesOf(span.attributes),
    links: span.links.map(({ trace_id }) => hex(trace_id)),
  };
}

function valuesOf(pairs: readonly KeyValue[]): CollectedSpan['attributes'] {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, value.string_value || value.int_value]),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
