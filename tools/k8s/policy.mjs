/** What every object of every environment must keep to. Each rule says in words what is wrong; no words, no problem. */

/** Whose receivers and providers are outside. */
const mayReachInternet = new Set(['auth', 'webhook-dispatcher']);
const secretName = /SECRET|_KEY$|PEPPER|TOKEN|PASSWORD|_HEADERS$|^DATABASE_URL$|^SMTP_URL$/;

/** @returns one line per problem, sorted. `environment` is the name of one in k8s/environments. */
export function problemsOf(objects, environment) {
  const isPinned = environment !== 'dev';
  return [
    ...objects.filter(({ kind }) => kind === 'Secret').map((each) => `${nameOf(each)}: a Secret`),
    ...objects.filter(({ kind }) => kind === 'ConfigMap').flatMap(plainSecrets),
    ...podsIn(objects).flatMap((pod) => [
      ...podProblems(pod),
      ...pod.spec.containers.flatMap((container) =>
        containerProblems(container, isPinned).map((line) => `${pod.name}: ${line}`),
      ),
    ]),
    ...of(objects, 'Deployment').flatMap((each) => deploymentProblems(each, objects, environment)),
    ...of(objects, 'NetworkPolicy').filter(letsOut).filter(isUnexpected).map(wayOut),
  ].sort();
}

function of(objects, kind) {
  return objects.filter((each) => each.kind === kind);
}

function nameOf({ kind, metadata }) {
  return `${kind} ${metadata.name}`;
}

/** Every pod that the objects would make: { name, kind, labels, spec }. */
function podsIn(objects) {
  return objects.flatMap((each) => {
    const template = each.kind === 'Pod' ? each : each.spec?.template;
    if (!template?.spec?.containers) return [];
    const { labels } = template.metadata;
    return [{ name: nameOf(each), kind: each.kind, labels, spec: template.spec }];
  });
}

function podProblems({ name, labels, spec }) {
  const { securityContext = {}, volumes = [] } = spec;
  return [
    securityContext.runAsNonRoot === true || 'may run as root',
    Number.isInteger(securityContext.runAsUser) || 'has no numeric user',
    securityContext.seccompProfile?.type === 'RuntimeDefault' || 'has no seccomp profile',
    spec.automountServiceAccountToken === false || 'gets a token of the cluster',
    spec.enableServiceLinks === false || 'gets variables of other services',
    !(spec.hostNetwork || spec.hostPID || spec.hostIPC) || 'shares the host',
    volumes.every(({ hostPath }) => hostPath === undefined) || 'mounts the host',
    labels?.['app.kubernetes.io/name'] === 'spooled' || 'is not covered by the default deny',
  ]
    .filter((each) => each !== true)
    .map((each) => `${name}: ${each}`);
}

function containerProblems({ name, image, resources, securityContext, env = [] }, isPinned) {
  const context = securityContext ?? {};
  return [
    !/:latest$/.test(image) || `image ${image} changes without notice`,
    /[:@][^/]+$/.test(image) || `image ${image} has no version`,
    !isPinned || /@sha256:[0-9a-f]{64}$/.test(image) || `image ${image} is not pinned by digest`,
    hasAll(resources?.requests, 'cpu', 'memory') || 'requests neither or only one of cpu, memory',
    hasAll(resources?.limits, 'memory') || 'has no limit of memory',
    context.allowPrivilegeEscalation === false || 'may gain privileges',
    context.readOnlyRootFilesystem === true || 'may write to its root file system',
    context.capabilities?.drop?.includes('ALL') || 'keeps capabilities',
    !context.privileged || 'is privileged',
    ...env.map((each) => !isPlainSecret(each) || `${each.name} is given as plain text`),
  ]
    .filter((each) => each !== true)
    .map((each) => `container ${name}: ${each}`);
}

function hasAll(given, ...names) {
  return names.every((name) => given?.[name] !== undefined);
}

function isPlainSecret({ name, value }) {
  return value !== undefined && secretName.test(name);
}

function plainSecrets({ metadata, data }) {
  const names = Object.keys(data).filter((name) => secretName.test(name));
  return names.map((name) => `ConfigMap ${metadata.name}: ${name} is given as plain text`);
}

function deploymentProblems(deployment, objects, environment) {
  const { metadata, spec } = deployment;
  const { template } = spec;
  const targets = (each) => each.spec.scaleTargetRef.name === metadata.name;
  const scaler = of(objects, 'HorizontalPodAutoscaler').find(targets);
  const pods = scaler?.spec.minReplicas ?? spec.replicas;
  const selects = (selector) =>
    Object.entries(selector.matchLabels).every(([key, value]) => {
      return template.metadata.labels[key] === value;
    });
  const budget = of(objects, 'PodDisruptionBudget').find((each) => selects(each.spec.selector));
  // Its own, not the one that denies everything to all.
  const isOwn = ({ spec: { podSelector } }) =>
    podSelector.matchLabels['app.kubernetes.io/component'] !== undefined && selects(podSelector);
  const [container] = template.spec.containers;
  const { startupProbe, readinessProbe, livenessProbe, lifecycle } = container;
  return [
    pods <= 1 || budget !== undefined || 'has several pods and no PodDisruptionBudget',
    environment !== 'production' || pods > 1 || 'has one pod only',
    scaler === undefined || spec.replicas === undefined || 'sets replicas that its scaler owns',
    of(objects, 'NetworkPolicy').some(isOwn) || 'has no NetworkPolicy',
    (startupProbe && readinessProbe && livenessProbe) !== undefined || 'lacks a probe',
    livenessProbe?.httpGet?.path !== readinessProbe?.httpGet?.path ||
      'is restarted while its database is away',
    (lifecycle?.preStop?.sleep?.seconds ?? 0) > 0 || 'stops before its endpoint is gone',
  ]
    .filter((each) => each !== true)
    .map((each) => `${nameOf(deployment)}: ${each}`);
}

function letsOut({ spec }) {
  const peers = (spec.egress ?? []).flatMap(({ to = [] }) => to);
  return peers.some(({ ipBlock }) => ipBlock !== undefined && /\/0$/.test(ipBlock.cidr));
}

function isUnexpected({ spec }) {
  return !mayReachInternet.has(spec.podSelector.matchLabels?.['app.kubernetes.io/component']);
}

function wayOut(policy) {
  return `${nameOf(policy)}: lets its pods reach the internet`;
}
