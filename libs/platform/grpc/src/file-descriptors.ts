import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { readFileSync } from 'node:fs';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The files and all they import as `FileDescriptorProto`s, as protoc makes them but for comments. What protobufjs makes of
 * a whole package is no good to a compiled client: one made-up file per package, that imports nothing. `locate` says
 * where a file is to be read.
 */
export function fileDescriptors(
  names: readonly string[],
  locate: (name: string) => string,
): Buffer[] {
  const root = new protobuf.Root();
  const files = new Map<string, File>();
  const add = (name: string): void => {
    if (files.has(name)) return;
    const before = new Set(declarations(root));
    const imports = parseInto(root, name, locate);
    const declared = declarations(root).filter((each) => !before.has(each));
    files.set(name, { imports, declared });
    imports.forEach(add);
  };
  names.forEach(add);
  root.resolveAll();
  return [...files].map(([name, file]) => encoded(name, file));
}

interface File {
  readonly imports: readonly string[];
  readonly declared: readonly protobuf.ReflectionObject[];
}

/** Answers what the file imports. The well-known types are known by heart. */
function parseInto(
  root: protobuf.Root,
  name: string,
  locate: (name: string) => string,
): readonly string[] {
  const known = protobuf.common.get(name);
  if (known === null) {
    const source = readFileSync(locate(name), 'utf8');
    return protobuf.parse(source, root, { keepCase: true }).imports ?? [];
  }
  root.addJSON(known.nested ?? {});
  return [];
}

function encoded(name: string, { imports, declared }: File): Buffer {
  const { FileDescriptorProto: type } = descriptor;
  const file = {
    name,
    package: declared[0]!.parent!.fullName.slice(1),
    dependency: imports,
    messageType: declared.filter(isType).map(messageOf),
    enumType: declared.filter(isEnum).map(enumOf),
    service: declared.filter(isService).map(serviceOf),
    syntax: 'proto3',
  };
  return type.encode(type.fromObject(file)).finish() as Buffer;
}

/** Of every package; what is declared inside a message comes with the message. */
function declarations(namespace: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return namespace.nestedArray.flatMap((each) =>
    isType(each) || isEnum(each) || isService(each)
      ? [each]
      : declarations(each as protobuf.NamespaceBase),
  );
}

function messageOf(type: protobuf.Type): JsonObject {
  const oneofs = oneofsOf(type);
  const fields: readonly protobuf.FieldBase[] = type.fieldsArray;
  return {
    name: type.name,
    field: fields.map((field) => fieldOf(field, oneofs)),
    nestedType: [
      ...fields.filter(isMap).map(entryOf),
      ...type.nestedArray.filter(isType).map(messageOf),
    ],
    enumType: type.nestedArray.filter(isEnum).map(enumOf),
    oneofDecl: oneofs.map(({ name }) => ({ name })),
  };
}

/** Those that only tell that a field is optional come last. */
function oneofsOf({ oneofsArray }: protobuf.Type): protobuf.OneOf[] {
  const isMadeUp = ({ fieldsArray }: protobuf.OneOf) => fieldsArray.some(isOptional);
  return [...oneofsArray].sort((one, other) => Number(isMadeUp(one)) - Number(isMadeUp(other)));
}

function fieldOf(field: protobuf.FieldBase, oneofs: readonly protobuf.OneOf[]): JsonObject {
  const shared = {
    name: snakeCase(field.name),
    number: field.id,
    jsonName: protobuf.util.camelCase(field.name),
  };
  if (isMap(field)) {
    const typeName = `${field.parent!.fullName}.${entryName(field)}`;
    return { ...shared, label: 'LABEL_REPEATED', type: 'TYPE_MESSAGE', typeName };
  }
  return {
    ...shared,
    label: field.repeated ? 'LABEL_REPEATED' : 'LABEL_OPTIONAL',
    ...valueOf(field),
    ...(field.partOf === null ? {} : { oneofIndex: oneofs.indexOf(field.partOf) }),
    ...(isOptional(field) ? { proto3Optional: true } : {}),
  };
}

/** As protobufjs knows them, the fields of well-known types have names in camelCase. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function valueOf({ type, resolvedType }: protobuf.FieldBase): JsonObject {
  if (resolvedType === null) return { type: `TYPE_${type.toUpperCase()}` };
  const kind = isEnum(resolvedType) ? 'TYPE_ENUM' : 'TYPE_MESSAGE';
  return { type: kind, typeName: resolvedType.fullName };
}

/** A map is a list of these. */
function entryOf(field: protobuf.MapField): JsonObject {
  const label = 'LABEL_OPTIONAL';
  const key = { type: `TYPE_${field.keyType.toUpperCase()}` };
  return {
    name: entryName(field),
    field: [
      { name: 'key', number: 1, jsonName: 'key', label, ...key },
      { name: 'value', number: 2, jsonName: 'value', label, ...valueOf(field) },
    ],
    options: { mapEntry: true },
  };
}

function entryName({ name }: protobuf.MapField): string {
  return `${protobuf.util.ucFirst(protobuf.util.camelCase(name))}Entry`;
}

function enumOf({ name, values }: protobuf.Enum): JsonObject {
  return {
    name,
    value: Object.entries(values).map(([value, number]) => ({ name: value, number })),
  };
}

function serviceOf({ name, methodsArray }: protobuf.Service): JsonObject {
  return {
    name,
    method: methodsArray.map((method) => ({
      name: method.name,
      inputType: method.resolvedRequestType!.fullName,
      outputType: method.resolvedResponseType!.fullName,
      ...(method.requestStream === true ? { clientStreaming: true } : {}),
      ...(method.responseStream === true ? { serverStreaming: true } : {}),
    })),
  };
}

function isType(each: unknown): each is protobuf.Type {
  return each instanceof protobuf.Type;
}
function isEnum(each: unknown): each is protobuf.Enum {
  return each instanceof protobuf.Enum;
}
function isService(each: unknown): each is protobuf.Service {
  return each instanceof protobuf.Service;
}
function isMap(field: protobuf.FieldBase): field is protobuf.MapField {
  return field instanceof protobuf.MapField;
}
function isOptional({ options }: protobuf.FieldBase): boolean {
  return options?.['proto3_optional'] === true;
}
