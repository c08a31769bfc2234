import protobuf from 'protobufjs';

/**
 * For `Struct`s of 64 levels, as JSON bodies may have: a level is two levels of messages, a value and the struct or list
 * it holds. Some more, so that what nests too deep is refused with a sentence.
 */
const MAX_MESSAGE_DEPTH = 2 * 64 + 32;

interface StructMessage {
  readonly fields: Readonly<Record<string, ValueMessage>>;
}
interface ListMessage {
  readonly values: readonly ValueMessage[];
}
/** One of these is set. */
interface ValueMessage {
  readonly nullValue?: number;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: StructMessage;
  readonly listValue?: ListMessage;
}
interface TimestampMessage {
  readonly seconds: number | { toNumber(): number };
  readonly nanos: number;
}

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Makes the types of a root hand out `Struct` as a JSON object and `Timestamp` as a `Date`, and take them so. How deep
 * messages may nest is one number for the process.
 */
export function teachValueTypes(root: protobuf.Root): void {
  protobuf.util.recursionLimit = MAX_MESSAGE_DEPTH;
  protobuf.Reader.recursionLimit = MAX_MESSAGE_DEPTH;
  teach<StructMessage, JsonObject>(root, 'google.protobuf.Struct', toStruct, fromStruct);
  teach<TimestampMessage, Date>(root, 'google.protobuf.Timestamp', toTimestamp, fromTimestamp);
}

function teach<M extends object, V extends object>(
  root: protobuf.Root,
  name: string,
  toMessage: (value: V) => M,
  fromMessage: (message: M) => V,
): void {
  // Set up first, or the first use of the type would put its own conversions back.
  const type = root.lookupType(name).setup();
  type.fromObject = (value) => toMessage(value as V) as protobuf.Message;
  type.toObject = (message) => fromMessage(message as unknown as M);
}

function fromStruct({ fields }: StructMessage): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const plain = fromValue(value);
    if (key !== '__proto__') object[key] = plain;
    else setOwn(object, key, plain);
  }
  return object;
}

function fromValue(value: ValueMessage): unknown {
  if (Object.hasOwn(value, 'stringValue')) return value.stringValue;
  if (Object.hasOwn(value, 'numberValue')) return value.numberValue;
  if (Object.hasOwn(value, 'boolValue')) return value.boolValue;
  if (Object.hasOwn(value, 'structValue')) return fromStruct(value.structValue!);
  if (!Object.hasOwn(value, 'listValue')) return null;
  return value.listValue!.values.map(fromValue);
}

function toStruct(object: JsonObject): StructMessage {
  const fields: Record<string, ValueMessage> = {};
  for (const [key, value] of Object.entries(object)) {
    // As JSON does: what is undefined is not there.
    if (value === undefined) continue;
    if (key !== '__proto__') fields[key] = toValue(value);
    else setOwn(fields, key, toValue(value));
  }
  return { fields };
}

function toValue(value: unknown): ValueMessage {
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'number':
      return { numberValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'object':
      break;
    default:
      return { nullValue: 0 };
  }
  if (value === null) return { nullValue: 0 };
  if (Array.isArray(value)) {
    return { listValue: { values: value.map(toValue) } };
  }
  // A number that a double cannot hold; a Struct has only doubles.
  if (isRawJSON(value)) return { numberValue: Number(value.rawJSON) };
  return { structValue: toStruct(value as JsonObject) };
}

const { isRawJSON } = JSON as unknown as {
  isRawJSON: (value: unknown) => value is { readonly rawJSON: string };
};

function toTimestamp(date: Date): TimestampMessage {
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1_000_000 };
}

/** @throws Error outside the years 1 to 9999, as the type's own definition wants. */
function fromTimestamp({ seconds, nanos }: TimestampMessage): Date {
  const whole = typeof seconds === 'number' ? seconds : seconds.toNumber();
  if (whole < -62_135_596_800 || whole > 253_402_300_799 || nanos < 0 || nanos > 999_999_999) {
    throw new Error('This is no timestamp.');
  }
  return new Date(whole * 1000 + Math.floor(nanos / 1_000_000));
}

/** A plain assignment of this name would change what the object inherits from. */
function setOwn(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}
