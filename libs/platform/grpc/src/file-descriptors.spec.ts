import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { fileDescriptors } from './file-descriptors.js';

const source = `
  syntax = "proto3";
  package a.b;
  import "google/protobuf/timestamp.proto";
  service Things { rpc Watch(stream Thing) returns (stream Thing); rpc Get(Thing) returns (Thing); }
  message Thing {
    enum Kind { NONE = 0; SOME = 1; }
    message Part { string name = 1; }
    optional string maybe = 1;
    oneof one { Part part = 2; Kind kind = 3; }
    map<string, Part> parts_by_name = 4;
    repeated int64 sizes = 5;
    google.protobuf.Timestamp made_at = 6;
  }`;

describe('a file descriptor', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'spooled-protos-'));
    writeFileSync(path.join(directory, 'things.proto'), source);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const files = (): unknown[] =>
    fileDescriptors(['a/b/things.proto'], (name) => path.join(directory, path.basename(name))).map(
      (bytes) =>
        descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes), {
          enums: String,
        }),
    );

  it('says what protoc says', () => {
    const field = (name: string, number: number, jsonName: string, more: object) => ({
      name,
      number,
      jsonName,
      label: 'LABEL_OPTIONAL',
      ...more,
    });
    const text = { type: 'TYPE_STRING' };
    const message = (typeName: string) => ({ type: 'TYPE_MESSAGE', typeName });
    const part = message('.a.b.Thing.Part');
    expect(files()[0]).toEqual({
      name: 'a/b/things.proto',
      package: 'a.b',
      dependency: ['google/protobuf/timestamp.proto'],
      syntax: 'proto3',
      messageType: [
        {
          name: 'Thing',
          field: [
            field('maybe', 1, 'maybe', { ...text, oneofIndex: 1, proto3Optional: true }),
            field('part', 2, 'part', { ...part, oneofIndex: 0 }),
            field('kind', 3, 'kind', {
              type: 'TYPE_ENUM',
              typeName: '.a.b.Thing.Kind',
              oneofIndex: 0,
            }),
            field('parts_by_name', 4, 'partsByName', {
              ...message('.a.b.Thing.PartsByNameEntry'),
              label: 'LABEL_REPEATED',
            }),
            field('sizes', 5, 'sizes', { type: 'TYPE_INT64', label: 'LABEL_REPEATED' }),
            field('made_at', 6, 'madeAt', message('.google.protobuf.Timestamp')),
          ],
          nestedType: [
            {
              name: 'PartsByNameEntry',
              field: [field('key', 1, 'key', text), field('value', 2, 'value', part)],
              options: { mapEntry: true },
            },
            { name: 'Part', field: [field('name', 1, 'name', text)] },
          ],
          enumType: [
            {
              name: 'Kind',
              value: [
                { name: 'NONE', number: 0 },
                { name: 'SOME', number: 1 },
              ],
            },
          ],
          oneofDecl: [{ name: 'one' }, { name: '_maybe' }],
        },
      ],
      service: [
        {
          name: 'Things',
          method: [
            {
              name: 'Watch',
              inputType: '.a.b.Thing',
              outputType: '.a.b.Thing',
              clientStreaming: true,
              serverStreaming: true,
            },
            { name: 'Get', inputType: '.a.b.Thing', outputType: '.a.b.Thing' },
          ],
        },
      ],
    });
  });

  it('comes with those of what it imports, by the names in the original', () => {
    expect(files().slice(1)).toEqual([
      expect.objectContaining({
        name: 'google/protobuf/timestamp.proto',
        package: 'google.protobuf',
        messageType: [expect.objectContaining({ name: 'Timestamp' })],
      }),
    ]);
  });
});
