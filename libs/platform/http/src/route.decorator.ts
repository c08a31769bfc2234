import 'reflect-metadata';
import type { Principal, RouteSpec } from '@spooled/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';

type Output<T> = T extends z.ZodType ? z.output<T> : undefined;
type ParamNames<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? Name
    : never;
type WithCaller<S extends RouteSpec> = S['auth'] extends 'public' | 'admin'
  ? object
  : { readonly principal: Principal; readonly credential: string };

/** What a handler gets: everything the route's spec promises, already checked. */
export type RequestOf<S extends RouteSpec> = WithCaller<S> & {
  readonly params: Readonly<Record<ParamNames<S['path']>, string>>;
  readonly query: Output<S['query']>;
  readonly body: S extends { readonly rawBody: true } ? string : Output<S['body']>;
  readonly headers: IncomingHttpHeaders;
  /** The client's address: of the peer, or as trusted proxies tell it. */
  readonly ip: string;
  readonly requestId: string;
  /** Aborts when the client goes away before it was answered. */
  readonly signal: AbortSignal;
  readonly raw: FastifyRequest;
  readonly reply: FastifyReply;
};

const ROUTE = Symbol('route');

/** Binds a method of a provider to a route of the contracts. Its answer is the body of the spec's first status. */
export function Route<S extends RouteSpec>(spec: S) {
  return <H extends (request: RequestOf<S>) => unknown>(
    target: object,
    method: string,
    _descriptor: TypedPropertyDescriptor<H>,
  ): void => {
    Reflect.defineMetadata(ROUTE, spec, target, method);
  };
}

/** The spec a method was bound to, if any. */
export function routeOf(target: object, method: string): RouteSpec | undefined {
  return Reflect.getMetadata(ROUTE, target, method) as RouteSpec | undefined;
}

/** An answer with another status than the spec's first one. */
export class StatusAnswer {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {}
}

export function withStatus(status: number, body: unknown): StatusAnswer {
  return new StatusAnswer(status, body);
}

/** A body that is JSON text already, sent as it is. */
export class RawJson {
  constructor(readonly text: string) {}
}

export function rawJson(text: string): RawJson {
  return new RawJson(text);
}
