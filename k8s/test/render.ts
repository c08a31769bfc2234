/** The chart as `npm run k8s` renders it, once for each environment and file of tests. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const environments = ['dev', 'staging', 'production'] as const;
export type Environment = (typeof environments)[number];

export interface Container {
  name: string;
  image: string;
  /** Absent where nothing is secret. */
  env?: {
    name: string;
    value?: string;
    valueFrom?: { secretKeyRef: { name: string; key: string; optional?: boolean } };
  }[];
  envFrom: [{ configMapRef: { name: string } }];
  resources: { requests?: object; limits?: object };
  securityContext: { readOnlyRootFilesystem?: boolean; capabilities?: object };
  livenessProbe?: { httpGet: { path: string } };
}

export interface PodSpec {
  securityContext: { runAsNonRoot?: boolean };
  automountServiceAccountToken: boolean;
  containers: [Container];
}

/** Of an Ingress, or of a route of the Gateway API. */
interface Rule {
  http: { paths: IngressPath[] };
  matches: { path: { type: MatchType; value: string }; method: { service: string } }[];
  backendRefs: [{ name: string; port: number }];
  timeouts: { request: string };
}

export type MatchType = 'Exact' | 'Prefix' | 'PathPrefix';

interface IngressPath {
  path: string;
  pathType: MatchType;
  backend: { service: { name: string; port: { name: string } } };
}

export interface Alert {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook_url?: string };
}

/** What the tests look at of any kind; a kind that lacks a field is not asked for it. */
export interface K8sObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    labels: Record<string, string>;
    annotations?: Record<string, string>;
  };
  data: Record<string, string>;
  stringData: Record<string, string>;
  spec: {
    replicas?: number;
    template: { metadata: { annotations: Record<string, string> }; spec: PodSpec };
    rules: [Rule, ...Rule[]];
    metrics: { pods?: { metric: { name: string } } }[];
    groups: { rules: Alert[] }[];
    egress: unknown[];
  };
}

/** `npm test` says whether there is a helm; where there is none and none can be built, these tests are skipped. */
export const describeWithHelm = process.env['SPOOLED_NO_HELM'] ? describe.skip : describe;

/** Longer than it takes to build helm, for who runs jest by hand. */
export const helmTimeoutMs = 600_000;

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run k8s -- <args>` */
export function k8s(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  return spawnSync(process.execPath, ['tools/k8s/main.mjs', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
}

const rendered = new Map<string, K8sObject[]>();

export function render(environment: Environment, part?: string): K8sObject[] {
  const key = `${environment} ${part}`;
  const known = rendered.get(key);
  if (known) return known;
  const args = ['render', environment, ...(part === undefined ? [] : [part])];
  const { status, stdout, stderr } = k8s(args);
  if (status !== 0) throw new Error(stderr);
  const objects = objectsIn(stdout);
  rendered.set(key, objects);
  return objects;
}

export function objectsIn(text: string): K8sObject[] {
  return parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter(Boolean) as K8sObject[];
}

export function ofKind(objects: readonly K8sObject[], kind: string): K8sObject[] {
  return objects.filter((each) => each.kind === kind);
}

/** The least that the chart wants, as `--set` takes it. */
export const enough = [
  'secrets.existingSecret=spooled',
  'postgres.existingSecret=postgres',
  'nats.url=nats://nats:4222',
];

/** The chart with these values, as `--set` takes them, and no others. */
export async function template(...values: readonly string[]): Promise<Run> {
  const { findOrInstallHelm } = await tool<{ findOrInstallHelm(): Promise<string> }>('helm');
  const set = values.flatMap((value) => ['--set', value]);
  const args = ['template', 'spooled', path.join(root, 'k8s/chart'), ...set];
  return spawnSync(await findOrInstallHelm(), args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** What a module of tools/k8s exports. */
export async function tool<T>(name: string): Promise<T> {
  return (await import(path.join(root, 'tools/k8s', `${name}.mjs`))) as T;
}
