/** The wire writes snake_case, callers write camelCase: the same rule for values and, below, for their types. */

/** What is the caller's own under these keys is passed on as it is. */
const opaqueKeys = [
  'payload',
  'result',
  'metadata',
  'tags',
  'settings',
  'details',
  'extra',
  'payload_template',
  'custom_limits',
] as const;
type OpaqueKey = (typeof opaqueKeys)[number];

const opaque: ReadonlySet<string> = new Set(opaqueKeys);

export type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** An answer of the wire as callers see it. */
export type Camel<T> = T extends readonly (infer Item)[]
  ? Camel<Item>[]
  : T extends object
    ? {
        [K in keyof T as K extends string ? CamelCase<K> : K]: K extends OpaqueKey
          ? T[K]
          : Camel<T[K]>;
      }
    : T;

/** A request as callers may write it: a time may be a `Date`. */
export type CamelInput<T> = T extends readonly (infer Item)[]
  ? readonly CamelInput<Item>[]
  : T extends object
    ? {
        [K in keyof T as K extends string ? CamelCase<K> : K]: K extends OpaqueKey
          ? T[K]
          : K extends `${string}_at` | `${string}_until` | 'older_than' | 'since' | 'until'
            ? T[K] | Date
            : CamelInput<T[K]>;
      }
    : T;

export function toCamelCase(value: unknown): unknown {
  return convert(value, (key) =>
    key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
  );
}

export function toSnakeCase(value: unknown): unknown {
  return convert(value, snakeCase);
}

export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function convert(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => convert(item, rename));
  // A Date and whatever else knows how to be JSON stays what it is.
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => [
      rename(key),
      opaque.has(snakeCase(key)) ? entry : convert(entry, rename),
    ]),
  );
}
