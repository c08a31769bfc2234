import 'reflect-metadata';
import type { GrpcSpec } from '@spooled/contracts';
import type { AnswerOf, CallOf } from './call.js';

const METHOD = Symbol('grpc method');

/** Binds a method of a provider to a gRPC method of the contracts. */
export function Grpc<S extends GrpcSpec>(spec: S) {
  return <H extends (call: CallOf<S>) => AnswerOf<S>>(
    target: object,
    method: string,
    _descriptor: TypedPropertyDescriptor<H>,
  ): void => {
    Reflect.defineMetadata(METHOD, spec, target, method);
  };
}

/** The spec a method was bound to, if any. */
export function grpcMethodOf(target: object, method: string): GrpcSpec | undefined {
  return Reflect.getMetadata(METHOD, target, method) as GrpcSpec | undefined;
}
