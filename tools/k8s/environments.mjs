/**
 * What stands in k8s/environments, or where K8S_ENVIRONMENTS says (a repository of its own): one folder per environment,
 * in it what all services share and a file per service.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { parse, parseDocument } from 'yaml';

import { root } from '../run/child.mjs';

export const chart = path.join(root, 'k8s/chart');
const directory = path.resolve(process.env.K8S_ENVIRONMENTS ?? path.join(root, 'k8s/environments'));
/** What no service owns; rolled out first. */
export const shared = 'shared';
/** Of images that were never pinned. */
const nothing = `sha256:${'0'.repeat(64)}`;

export const environmentNames = readdirSync(directory).sort();

/** @throws Error that names the environments there are. */
export function readEnvironment(name) {
  if (!environmentNames.includes(name)) {
    throw new Error(`There is no environment ${name}; there are ${environmentNames.join(', ')}.`);
  }
  const files = path.join(directory, name, 'services');
  const services = readdirSync(files).map((file) => path.basename(file, '.yaml'));
  return {
    name,
    ...parse(readFileSync(path.join(directory, name, 'target.yaml'), 'utf8')),
    parts: [shared, ...services.sort()],
    valueFiles: [
      path.join(directory, name, 'values.yaml'),
      ...services.map((service) => serviceFile(name, service)),
    ],
  };
}

/** The parts that a command is about. @throws Error that names the parts there are. */
export function chosenParts({ name, parts }, part) {
  if (part === undefined) return parts;
  if (!parts.includes(part)) throw new Error(`${name} has no ${part}; it has ${parts.join(', ')}.`);
  return [part];
}

function serviceFile(environment, service) {
  return path.join(directory, environment, 'services', `${service}.yaml`);
}

/** Why nothing can be rolled out, if it cannot: an image that was never pinned. */
export function whyUnpublished({ name }, part) {
  const file = serviceFile(name, part);
  if (!existsSync(file) || !readFileSync(file, 'utf8').includes(nothing)) return undefined;
  return `${path.relative(root, file)} names no image yet: npm run k8s -- pin ${name} ${part} sha256:…`;
}

/** Writes the digest of a service's image into its file, and leaves the rest of it as it is. */
export function pin({ name }, service, digest) {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest ?? '')) {
    throw new Error(`The digest of an image looks like sha256:<64 hex digits>, not ${digest}.`);
  }
  const file = serviceFile(name, service);
  const document = parseDocument(readFileSync(file, 'utf8'));
  document.setIn(['services', service, 'image', 'digest'], digest);
  document.getIn(['services', service], true).commentBefore = null;
  writeFileSync(file, document.toString({ lineWidth: 0 }));
  return path.relative(root, file);
}
